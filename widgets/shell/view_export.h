// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "shell/view_registry.h"

#include <QSize>
#include <QString>
#include <QStringList>

#include <cstdint>

class QWidget;

namespace retoscope {

class View;

/// "PDF figure (*.pdf);;CSV table (*.csv)", for file dialogs.
QString exportFilter(const QStringList &suffixes);

/// Asks for a file and writes the view as its suffix says. A failure is returned as a sentence; empty: written or not wanted.
QString exportWithDialog(View &view, QWidget *parent);

/// What `retoscope --export` draws, without a window on any screen.
struct ExportRequest
{
    QString view;    ///< id of a view, or "window" for all of the window (PNG only)
    QString file;
    QSize size{720, 480};
    QString project;
    QString description; ///< as for Session::setDescription()
    QString layout;  ///< "window" only; empty: Explore
    std::int64_t position = -1; ///< the token that is looked at; negative: the one that retrieval helped most
    QString settings; ///< JSON object of evaluation settings; fields that it lacks stay as the project's runs have them

    int limitSeconds = 120; ///< then a sentence says what has not been ready
};
/// Opens the project, its newest trace and the view, waits until all has settled, and writes. Throws Error.
void exportHeadless(const ExportRequest &request, const std::vector<ViewEntry> &views);

} // namespace retoscope
