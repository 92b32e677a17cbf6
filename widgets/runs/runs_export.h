// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

class QAbstractItemModel;

namespace retoscope {

/// Writes the table as shown (headers, order, formatted cells) by the file's suffix: .csv, .md or .tex. Throws Error with
/// a sentence for another suffix or a file that cannot be written.
void exportTable(const QAbstractItemModel &model, const QString &file);

/// The same as text; `suffix` is "csv", "md" or "tex".
QString tableText(const QAbstractItemModel &model, const QString &suffix);

} // namespace retoscope
