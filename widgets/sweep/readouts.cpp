// SPDX-License-Identifier: GPL-3.0-or-later
#include "sweep/readouts.h"

#include <QEvent>
#include <QGridLayout>
#include <QLabel>
#include <QLocale>

#include <algorithm>
#include <cmath>

namespace retoscope {

namespace {

constexpr int greyAfterMs = 150;
constexpr std::array<const char *, 5> rowNames{"perplexity", "foss", "searches", "helped", "hurt"};

std::size_t columnOf(Method method)
{
    return static_cast<std::size_t>(method);
}

QString perplexityText(double perplexity)
{
    return std::isfinite(perplexity) ? QLocale().toString(perplexity, 'f', 3) : QStringLiteral("∞");
}

} // namespace

Readouts::Readouts(QWidget *parent) : QWidget(parent)
{
    const std::array<QString, rows> titles{tr("perplexity"), tr("searches saved (FoSS)"), tr("searches"), tr("tokens helped"), tr("tokens hurt")};
    const std::array<QString, rows> toolTips{tr("exp of the mean negative log-likelihood; lower is better"), tr("1 − searches / tokens"), tr("Searches that were made"),
                                             tr("Tokens that are more probable than under the LM alone"), tr("Tokens that are less probable than under the LM alone")};
    auto *layout = new QGridLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setVerticalSpacing(2);
    layout->setHorizontalSpacing(fontMetrics().averageCharWidth() * 2);
    for (int row = 0; row < rows; ++row) {
        auto *title = new QLabel(titles[std::size_t(row)]);
        title->setToolTip(toolTips[std::size_t(row)]);
        layout->addWidget(title, row + 1, 0);
    }
    for (const Method method : {Method::Base, Method::KnnLm, Method::Retomaton, Method::Adaptive}) {
        const std::size_t column = columnOf(method);
        m_headings[column] = new QLabel(QString::fromUtf8(displayName(method)));
        m_headings[column]->setAlignment(Qt::AlignRight);
        layout->addWidget(m_headings[column], 0, int(column) + 1);
        for (int row = 0; row < rows; ++row) {
            auto *cell = m_cells[column][std::size_t(row)] = new QLabel;
            cell->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
            cell->setTextInteractionFlags(Qt::TextSelectableByMouse);
            cell->setObjectName(QStringLiteral("%1_%2").arg(QString::fromUtf8(toString(method)), QLatin1String(rowNames[std::size_t(row)])));
            cell->setAccessibleName(QStringLiteral("%1, %2").arg(m_headings[column]->text(), titles[std::size_t(row)]));
            QFont font = cell->font();
            if (row == 0) {
                font.setPointSizeF(font.pointSizeF() * 1.5);
                font.setBold(true);
            }
            cell->setFont(font);
            cell->setMinimumWidth(QFontMetrics(font).horizontalAdvance(QStringLiteral("0000.000"))); // numbers come and go without moving the rest
            layout->addWidget(cell, row + 1, int(column) + 1);
        }
    }
    m_greying.setSingleShot(true);
    m_greying.setInterval(greyAfterMs);
    connect(&m_greying, &QTimer::timeout, this, [this] {
        m_grey = m_stale;
        recolour();
    });
    setCurrent(m_current);
    clear();
}

void Readouts::show(const EvaluationResult &result)
{
    const QLocale locale;
    m_cells[columnOf(Method::Base)][0]->setText(perplexityText(basePerplexity(result)));
    const Method method = result.settings.method;
    if (method == Method::Base)
        return;
    auto &cells = m_cells[columnOf(method)];
    cells[0]->setText(perplexityText(result.perplexity));
    cells[1]->setText(locale.toString(result.foss * 100, 'f', 1) + QStringLiteral(" %"));
    cells[2]->setText(locale.toString(qlonglong(result.searches)));
    cells[3]->setText(locale.toString(qlonglong(result.helped)));
    cells[4]->setText(locale.toString(qlonglong(result.hurt)));
}

void Readouts::clear()
{
    for (auto &column : m_cells)
        for (QLabel *cell : column)
            cell->setText(QStringLiteral("–"));
    m_cells[columnOf(Method::Base)][1]->setText(QString());
    for (int row = 1; row < rows; ++row)
        m_cells[columnOf(Method::Base)][std::size_t(row)]->setText(QString());
}

void Readouts::setStale(Method method, bool stale)
{
    m_stale[columnOf(method)] = stale;
    if (stale && !m_greying.isActive())
        m_greying.start();
    else if (std::ranges::find(m_stale, true) == m_stale.end())
        m_greying.stop();
    if (!stale && m_grey[columnOf(method)]) {
        m_grey[columnOf(method)] = false;
        recolour();
    }
}

void Readouts::setCurrent(Method method)
{
    m_current = method;
    const std::size_t gated = columnOf(Method::Adaptive);
    m_headings[gated]->setVisible(method == Method::Adaptive);
    for (QLabel *cell : m_cells[gated])
        cell->setVisible(method == Method::Adaptive);
    auto *grid = qobject_cast<QGridLayout *>(layout());
    for (std::size_t column = 0; column < methods; ++column) {
        grid->setColumnStretch(int(column) + 1, column == gated && method != Method::Adaptive ? 0 : 1);
        QFont font = m_headings[column]->font();
        font.setBold(column == columnOf(method));
        font.setUnderline(column == columnOf(method));
        m_headings[column]->setFont(font);
        m_headings[column]->setToolTip(column == columnOf(method) ? tr("What the other views show") : QString());
    }
}

QString Readouts::text(Method method, const QString &row) const
{
    for (std::size_t i = 0; i < rows; ++i) {
        if (row == QLatin1String(rowNames[i]))
            return m_cells[columnOf(method)][i]->text();
    }
    return {};
}

void Readouts::recolour()
{
    for (std::size_t column = 0; column < methods; ++column) {
        for (QLabel *cell : m_cells[column])
            cell->setForegroundRole(m_grey[column] ? QPalette::PlaceholderText : QPalette::WindowText);
    }
}

void Readouts::changeEvent(QEvent *event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange)
        recolour();
}

} // namespace retoscope
