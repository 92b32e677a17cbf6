// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QList>
#include <QUrl>

#include "ledger/work.h"

#include <optional>

class QWidget;

namespace retoscope {

class Session;

/// What dropped files mean: a model folder or weight file is a model; a project description is run; texts, pages, JSONL
/// and folders of them are a corpus. Nothing when they are none of these.
std::optional<Work> workForDrop(const QList<QUrl> &urls);

/// Opens the dialog that fits the dropped files, filled in. False when nothing fits, or no project is open.
bool offerDrop(Session &session, const QList<QUrl> &urls, QWidget *parent);

} // namespace retoscope
