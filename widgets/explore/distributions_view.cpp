// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/distributions_view.h"

#include "base/error.h"
#include "explore/token_cells.h"
#include "plot/theme.h"
#include "runs/runs_export.h"

#include <QAction>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLocale>
#include <QPainter>
#include <QToolButton>
#include <QTreeView>
#include <QVBoxLayout>

#include <algorithm>
#include <array>
#include <cmath>

namespace retoscope {

namespace {

constexpr int gap = 6;
constexpr double smallFont = 0.82;
constexpr double decades = 6; // of the logarithmic bars
constexpr int lmSeries = 0, knnSeries = 1, mixedSeries = 2, comparedSeries = 3;

QFont smaller(QFont font)
{
    font.setPointSizeF(font.pointSizeF() * smallFont);
    return font;
}

QString nats(double value)
{
    return std::isnan(value) ? QObject::tr("not recorded") : QObject::tr("%1 nats").arg(QLocale().toString(value, 'f', 2));
}

} // namespace

double BarsDelegate::length(double probability, bool logarithmic)
{
    if (!(probability > 0)) // NaN as well
        return 0;
    return logarithmic ? std::clamp(1 + std::log10(probability) / decades, 0.0, 1.0) : std::min(probability, 1.0);
}

QSize BarsDelegate::sizeHint(const QStyleOptionViewItem &option, const QModelIndex &index) const
{
    const int bars = index.data(DistributionsModel::KeptRole).isValid() ? 4 : 3;
    return {QStyledItemDelegate::sizeHint(option, index).width(), bars * QFontMetrics(smaller(option.font)).height() + 6};
}

void BarsDelegate::paint(QPainter *painter, const QStyleOptionViewItem &option, const QModelIndex &index) const
{
    QStyleOptionViewItem background = option;
    initStyleOption(&background, index);
    background.text.clear();
    option.widget->style()->drawControl(QStyle::CE_ItemViewItem, &background, painter, option.widget);
    painter->save();
    painter->setFont(smaller(option.font));
    const QFontMetrics metrics = painter->fontMetrics();
    const int line = metrics.height();
    const int numberWidth = metrics.horizontalAdvance(DistributionsModel::probabilityText(std::nan(""))) + 6;
    const QRect room = option.rect.adjusted(4, 3, -4, -3);
    const int full = std::max(room.width() - numberWidth, 10);
    const bool selected = option.state & QStyle::State_Selected;
    const std::array<std::pair<int, int>, 4> bars = {
        {{DistributionsModel::LmRole, lmSeries}, {DistributionsModel::KnnRole, knnSeries}, {DistributionsModel::MixedRole, mixedSeries}, {DistributionsModel::KeptRole, comparedSeries}}};
    for (std::size_t i = 0; i < bars.size(); ++i) {
        const QVariant known = index.data(bars[i].first);
        if (!known.isValid()) // nothing is compared
            continue;
        const double probability = known.toDouble();
        const int top = room.top() + static_cast<int>(i) * line;
        const double width = length(probability, m_logarithmic) * full;
        painter->fillRect(QRectF(room.left(), top + 2, std::max(width, probability > 0 ? 1.0 : 0.0), line - 4), seriesColor(bars[i].second, option.palette));
        painter->setPen(option.palette.color(selected ? QPalette::HighlightedText : std::isnan(probability) ? QPalette::PlaceholderText : QPalette::Text));
        painter->drawText(QRectF(room.left() + width + 5, top, numberWidth, line), Qt::AlignLeft | Qt::AlignVCenter, DistributionsModel::probabilityText(probability));
    }
    painter->restore();
}

DistributionsView::DistributionsView(Session &session, QWidget *parent)
    : ExploreView(session, QStringLiteral("distributions"), tr("Distributions"), parent), m_inspector(Inspector::of(session)), m_bars(new BarsDelegate(this)), m_summary(new QLabel),
      m_logarithmic(new QToolButton), m_toTarget(new QToolButton), m_table(new QTreeView)
{
    setInvitation(tr("Here stand three distributions over the next token: the language model's, the neighbours' and their mixture."));
    m_summary->setTextFormat(Qt::RichText);
    m_summary->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_logarithmic->setText(tr("log"));
    m_logarithmic->setCheckable(true);
    m_logarithmic->setToolTip(tr("Logarithmic bars, from one in a million to 1"));
    m_toTarget->setText(QStringLiteral("✓"));
    m_toTarget->setToolTip(tr("Show the row of the true token"));
    m_toTarget->setAccessibleName(m_toTarget->toolTip());
    auto *buttons = new QVBoxLayout;
    buttons->addWidget(m_logarithmic);
    buttons->addWidget(m_toTarget, 0, Qt::AlignRight);
    buttons->addStretch();
    auto *head = new QHBoxLayout;
    head->setContentsMargins(gap, 0, gap, 0);
    head->addWidget(m_summary, 1);
    head->addLayout(buttons);
    m_table->setObjectName(QStringLiteral("distributionTable"));
    m_table->setAccessibleName(tr("Candidates under the three distributions"));
    m_table->setModel(&m_model);
    m_table->setItemDelegateForColumn(DistributionsModel::Mixed, m_bars);
    m_table->setRootIsDecorated(false);
    m_table->setUniformRowHeights(true);
    m_table->setAlternatingRowColors(true);
    m_table->setAllColumnsShowFocus(true);
    m_table->setFrameShape(QFrame::NoFrame);
    for (const int column : {DistributionsModel::Lm, DistributionsModel::Knn, DistributionsModel::KeptMixed})
        m_table->setColumnHidden(column, true); // they are bars in the mixture's column, and columns of the exported table
    QHeaderView *header = m_table->header();
    header->setStretchLastSection(false);
    header->setSectionResizeMode(DistributionsModel::Mixed, QHeaderView::Stretch);
    const int digit = fontMetrics().horizontalAdvance(QLatin1Char('0'));
    m_table->setColumnWidth(DistributionsModel::Token, 14 * digit);
    for (const int column : {DistributionsModel::MixedRank, DistributionsModel::LmRank, DistributionsModel::KnnRank})
        m_table->setColumnWidth(column, 10 * digit);
    auto *layout = new QVBoxLayout(content());
    layout->setContentsMargins(0, gap, 0, 0);
    layout->setSpacing(gap);
    layout->addLayout(head);
    layout->addWidget(m_table, 1);

    connect(m_logarithmic, &QToolButton::toggled, this, [this](bool on) {
        m_bars->setLogarithmic(on);
        m_table->viewport()->update();
    });
    const auto showTarget = [this] {
        const QModelIndex row = m_model.index(m_model.targetRow(), 0);
        m_table->setCurrentIndex(row);
        m_table->scrollTo(row);
    };
    connect(m_toTarget, &QToolButton::clicked, this, showTarget);
    addViewAction(tr("Logarithmic bars"), QKeySequence(Qt::Key_L), [this] { m_logarithmic->toggle(); });
    addViewAction(tr("Show the true token"), QKeySequence(Qt::Key_T), showTarget);
    connect(&m_inspector, &Inspector::inspectionChanged, this, &DistributionsView::showInspection);
    connect(&m_inspector, &Inspector::busyChanged, this, [this](bool busy) { setBusy(busy); });
    connect(&m_inspector, &Inspector::failed, this, [this](const QString &sentence) { showError(sentence); });
    m_inspector.setWanted(this, true);
    start();
}

void DistributionsView::showTrace(const std::shared_ptr<const TraceSession> &)
{
    showInspection();
}

void DistributionsView::showInspection()
{
    if (!trace())
        return;
    const auto inspection = m_inspector.inspection();
    m_model.setInspection(inspection);
    if (!inspection) {
        showEmpty(tr("Point at a token of the text to see what was expected there; click to keep it."), tr("Take the first token"), [this] { session().selection().movePrimary(1); });
        return;
    }
    showContent();
    if (inspection != m_inspector.inspection())
        return; // other widgets came under the mouse, which left the token: that has been shown already
    m_summary->setText(summaryOf(*inspection));
}

QString DistributionsView::summaryOf(const Inspection &inspection) const
{
    const PositionInspection &now = inspection.now;
    const auto target = std::ranges::find_if(now.tokens, &InspectedToken::isTarget);
    if (target == now.tokens.end())
        return {};
    const QLocale locale;
    const auto rank = [&](std::int32_t value, const QString &otherwise) { return value > 0 ? locale.toString(value) : otherwise; };
    const auto text = &DistributionsModel::probabilityText;
    const auto row = [&](int series, const QString &name, const QString &probability, const QString &rankOf, const QString &entropy) {
        return QStringLiteral("<tr><td><span style='color:%1'>■</span> %2&nbsp;&nbsp;</td><td align='right'>%3&nbsp;&nbsp;</td><td align='right'>%4&nbsp;&nbsp;</td><td align='right'>%5</td></tr>")
            .arg(seriesColor(series, palette()).name(), name, probability, rankOf, entropy);
    };
    const QString lower = tr("below the recorded");
    QString html = QStringLiteral("<table cellspacing='0' cellpadding='1'><tr><td><b>✓ %1</b></td><td align='right'>p</td><td align='right'>&nbsp;rank&nbsp;</td><td align='right'>&nbsp;%2</td></tr>")
                       .arg(tokenLabel(inspection.trace->tokenText(now.target), now.target).toHtmlEscaped(), tr("entropy"));
    html += row(lmSeries, tr("LM"), text(target->lm), rank(target->lmRank, lower), nats(now.lmEntropy));
    if (now.neighbours.empty())
        html += row(knnSeries, tr("kNN"), QStringLiteral("–"), tr("no neighbours"), QStringLiteral("–"));
    else
        html += row(knnSeries, tr("kNN"), text(target->knn), rank(target->knnRank, tr("no neighbour has it")), nats(now.knnEntropy));
    // The mixture's entropy needs the LM's whole distribution, of which a trace holds the leading candidates.
    html += row(mixedSeries, tr("mixture"), text(target->mixed), rank(target->mixedRank, lower), nats(std::nan("")));
    if (inspection.kept) {
        const auto &kept = inspection.kept->tokens;
        const auto same = std::ranges::find_if(kept, &InspectedToken::isTarget);
        if (same != kept.end())
            html += row(comparedSeries, tr("kept mixture"), text(same->mixed), rank(same->mixedRank, lower), nats(std::nan("")));
    }
    return html + QStringLiteral("</table>");
}

QStringList DistributionsView::exportSuffixes() const
{
    return QStringList{QStringLiteral("csv"), QStringLiteral("md"), QStringLiteral("tex")} + ExploreView::exportSuffixes();
}

void DistributionsView::exportTo(const QString &file, const QSize &size)
{
    const QString suffix = QFileInfo(file).suffix().toLower();
    if (suffix != QLatin1String("csv") && suffix != QLatin1String("md") && suffix != QLatin1String("tex")) {
        ExploreView::exportTo(file, size);
        return;
    }
    if (!m_inspector.inspection())
        fail(ErrorKind::NotFound, "There are no distributions to export; choose a token first.");
    QList<int> columns;
    for (int column = 0; column < m_model.columnCount(); ++column) {
        if (column != DistributionsModel::KeptMixed || m_inspector.inspection()->kept)
            columns << column;
    }
    exportTable(m_model, file, columns);
}

bool DistributionsView::isSettled() const
{
    return ExploreView::isSettled() && !m_inspector.isBusy();
}

void DistributionsView::showEvent(QShowEvent *event)
{
    ExploreView::showEvent(event);
    m_inspector.setWanted(this, true);
}

void DistributionsView::hideEvent(QHideEvent *event)
{
    ExploreView::hideEvent(event);
    m_inspector.setWanted(this, false);
}

void DistributionsView::changeEvent(QEvent *event)
{
    ExploreView::changeEvent(event);
    if (event->type() == QEvent::PaletteChange && m_inspector.inspection())
        m_summary->setText(summaryOf(*m_inspector.inspection()));
}

} // namespace retoscope
