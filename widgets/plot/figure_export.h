// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QSize>
#include <QString>

class QCustomPlot;

namespace retoscope {

/// Writes a plot by the file's suffix: .pdf, .svg (both as vectors) or .png (two pixels per unit of `size`). Throws Error with
/// a sentence for another suffix or a file that cannot be written.
void exportFigure(QCustomPlot &plot, const QString &file, const QSize &size, const QString &title);

} // namespace retoscope
