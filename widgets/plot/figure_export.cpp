// SPDX-License-Identifier: GPL-3.0-or-later
#include "plot/figure_export.h"

#include "base/error.h"

#include <QFileInfo>
#include <QSvgGenerator>

#include "plot/custom_plot.h"

namespace retoscope {

namespace {

constexpr double pngScale = 2;

bool drawSvg(QCustomPlot &plot, const QString &file, const QSize &size, const QString &title)
{
    QSvgGenerator generator;
    generator.setFileName(file);
    generator.setSize(size);
    generator.setViewBox(QRect(QPoint(0, 0), size));
    generator.setTitle(title);
    QCPPainter painter;
    if (!painter.begin(&generator))
        return false;
    painter.setMode(QCPPainter::pmVectorized);
    painter.setMode(QCPPainter::pmNoCaching);
    plot.toPainter(&painter, size.width(), size.height());
    painter.end();
    return QFileInfo(file).size() > 0;
}

} // namespace

void exportFigure(QCustomPlot &plot, const QString &file, const QSize &size, const QString &title)
{
    const QString suffix = QFileInfo(file).suffix().toLower();
    bool written = false;
    if (suffix == QLatin1String("pdf"))
        written = plot.savePdf(file, size.width(), size.height(), QCP::epNoCosmetic, QStringLiteral("Retoscope"), title);
    else if (suffix == QLatin1String("png"))
        written = plot.savePng(file, size.width(), size.height(), pngScale);
    else if (suffix == QLatin1String("svg"))
        written = drawSvg(plot, file, size, title);
    else
        fail(ErrorKind::Usage, "{}: figures are written as .pdf, .svg or .png; choose one of these.", file.toStdString());
    if (!written)
        fail(ErrorKind::Io, "Cannot write {}; choose another folder.", file.toStdString());
}

} // namespace retoscope
