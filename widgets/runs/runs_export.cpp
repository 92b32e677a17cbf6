// SPDX-License-Identifier: GPL-3.0-or-later
#include "runs/runs_export.h"

#include "base/atomic_file.h"
#include "base/error.h"

#include <QAbstractItemModel>
#include <QFileInfo>

namespace retoscope {

namespace {

QString csvCell(QString text)
{
    if (!text.contains(QLatin1Char(',')) && !text.contains(QLatin1Char('"')) && !text.contains(QLatin1Char('\n')))
        return text;
    return QLatin1Char('"') + text.replace(QLatin1Char('"'), QLatin1String("\"\"")) + QLatin1Char('"');
}

QString markdownCell(QString text)
{
    return text.replace(QLatin1Char('\n'), QLatin1Char(' ')).replace(QLatin1Char('|'), QLatin1String("\\|"));
}

QString latexCell(QString text)
{
    static const QHash<QChar, QString> escapes = {{u'%', QStringLiteral("\\%")},  {u'_', QStringLiteral("\\_")}, {u'&', QStringLiteral("\\&")},
                                                  {u'#', QStringLiteral("\\#")},  {u'$', QStringLiteral("\\$")}, {u'{', QStringLiteral("\\{")},
                                                  {u'}', QStringLiteral("\\}")},  {u'λ', QStringLiteral("$\\lambda$")},
                                                  {u'~', QStringLiteral("\\textasciitilde{}")}, {u'\\', QStringLiteral("\\textbackslash{}")}};
    QString escaped;
    for (const QChar c : std::as_const(text))
        escaped += escapes.value(c, c);
    return escaped;
}

} // namespace

QString tableText(const QAbstractItemModel &model, const QString &suffix, const QList<int> &wanted, int valueRole)
{
    const bool markdown = suffix == QLatin1String("md"), latex = suffix == QLatin1String("tex");
    if (!markdown && !latex && suffix != QLatin1String("csv"))
        fail(ErrorKind::Usage, "Tables are written as .csv, .md or .tex, not as '.{}'; choose one of these.", suffix.toStdString());
    const auto cell = markdown ? markdownCell : (latex ? latexCell : csvCell);
    const QString separator = markdown ? QStringLiteral(" | ") : (latex ? QStringLiteral(" & ") : QStringLiteral(","));
    const QString begin = markdown ? QStringLiteral("| ") : QString();
    const QString end = markdown ? QStringLiteral(" |\n") : (latex ? QStringLiteral(" \\\\\n") : QStringLiteral("\n"));
    QList<int> columns = wanted;
    for (int column = 0; wanted.isEmpty() && column < model.columnCount(); ++column)
        columns << column;
    const auto textAt = [&](const QModelIndex &index) {
        const QVariant value = !markdown && !latex && valueRole >= 0 ? index.data(valueRole) : QVariant();
        return value.typeId() == QMetaType::Double ? QString::number(value.toDouble(), 'g', 17) : index.data().toString();
    };
    const auto line = [&](auto content) {
        QStringList cells;
        for (const int column : std::as_const(columns))
            cells << cell(content(column));
        return begin + cells.join(separator) + end;
    };
    QString text;
    if (latex)
        text += QStringLiteral("\\begin{tabular}{%1}\n\\toprule\n").arg(QString(columns.size(), QLatin1Char('l')));
    text += line([&](int column) { return model.headerData(column, Qt::Horizontal).toString(); });
    if (markdown)
        text += QLatin1Char('|') + QStringLiteral("---|").repeated(columns.size()) + QLatin1Char('\n');
    if (latex)
        text += QStringLiteral("\\midrule\n");
    for (int row = 0; row < model.rowCount(); ++row)
        text += line([&](int column) { return textAt(model.index(row, column)); });
    if (latex)
        text += QStringLiteral("\\bottomrule\n\\end{tabular}\n");
    return text;
}

void exportTable(const QAbstractItemModel &model, const QString &file, const QList<int> &columns, int valueRole)
{
    writeFileAtomically(file.toStdString(), tableText(model, QFileInfo(file).suffix().toLower(), columns, valueRole).toStdString());
}

} // namespace retoscope
