// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QList>
#include <QString>

class QAbstractItemModel;

namespace retoscope {

/// Writes the table as shown (headers, order, formatted cells) by the file's suffix: .csv, .md or .tex. `columns`: these, in
/// this order; empty: all. `valueRole`: where a cell has a number under this role, CSV holds that number in full, as other
/// programs read it. Throws Error with a sentence for another suffix or a file that cannot be written.
void exportTable(const QAbstractItemModel &model, const QString &file, const QList<int> &columns = {}, int valueRole = -1);

/// The same as text; `suffix` is "csv", "md" or "tex".
QString tableText(const QAbstractItemModel &model, const QString &suffix, const QList<int> &columns = {}, int valueRole = -1);

} // namespace retoscope
