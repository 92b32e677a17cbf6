// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/neighbours_view.h"

#include "base/error.h"
#include "explore/corpus_reader.h"
#include "explore/neighbour_delegates.h"
#include "explore/token_cells.h"
#include "runs/runs_export.h"

#include <QAction>
#include <QComboBox>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QLocale>
#include <QToolButton>
#include <QTreeView>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace retoscope {

namespace {

constexpr int gap = 6;
constexpr double contextShare = 0.45; // of the table's width, at least, when all columns are to be seen at once

bool isTableSuffix(const QString &suffix)
{
    return suffix == QLatin1String("csv") || suffix == QLatin1String("md") || suffix == QLatin1String("tex");
}

} // namespace

NeighboursView::NeighboursView(Session &session, QWidget *parent)
    : ExploreView(session, QStringLiteral("neighbours"), tr("Neighbours"), parent), m_inspector(Inspector::of(session)), m_caption(new QLabel), m_change(new QLabel), m_none(new QLabel),
      m_allOn(new QToolButton), m_grouping(new QComboBox), m_filter(new QLineEdit), m_table(new QTreeView)
{
    setInvitation(tr("Here stand the neighbours of a token: the contexts that retrieval found, and what followed in each of them."));
    m_caption->setWordWrap(true);
    m_caption->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_change->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_none->setWordWrap(true);
    m_none->setAlignment(Qt::AlignCenter);
    m_none->setForegroundRole(QPalette::PlaceholderText);
    m_none->hide();
    m_allOn->setText(tr("Switch all on"));
    auto *change = new QHBoxLayout;
    change->addWidget(m_change, 1);
    change->addWidget(m_allOn);
    auto *layout = new QVBoxLayout(content());
    layout->setContentsMargins(0, gap, 0, 0);
    layout->setSpacing(gap);
    auto *head = new QVBoxLayout;
    head->setContentsMargins(gap, 0, gap, 0);
    head->setSpacing(2);
    head->addWidget(m_caption);
    head->addLayout(change);
    head->addWidget(buildControls());
    layout->addLayout(head);
    buildTable();
    layout->addWidget(m_none);
    layout->addWidget(m_table, 1);
    buildActions();
    connect(&m_inspector, &Inspector::inspectionChanged, this, &NeighboursView::showInspection);
    connect(&m_inspector, &Inspector::busyChanged, this, [this](bool busy) { setBusy(busy); });
    connect(&m_inspector, &Inspector::failed, this, [this](const QString &sentence) { showError(sentence); });
    connect(&m_model, &NeighboursModel::switchRequested, &m_inspector, &Inspector::setSwitchedOff);
    connect(m_allOn, &QToolButton::clicked, &m_inspector, &Inspector::switchAllOn);
    m_inspector.setWanted(this, true);
    start();
}

NeighboursView::~NeighboursView() = default;

QWidget *NeighboursView::buildControls()
{
    auto *box = new QWidget;
    auto *row = new QHBoxLayout(box);
    row->setContentsMargins(0, 0, 0, 0);
    m_grouping->addItems({tr("One row each"), tr("By value"), tr("By document")});
    m_grouping->setAccessibleName(tr("Group by"));
    m_grouping->setToolTip(tr("Group the neighbours"));
    m_filter->setPlaceholderText(tr("Filter by value, context or document"));
    m_filter->setAccessibleName(tr("Filter"));
    m_filter->setClearButtonEnabled(true);
    row->addWidget(m_grouping);
    row->addWidget(m_filter, 1);
    connect(m_grouping, &QComboBox::currentIndexChanged, this, [this](int index) {
        m_model.setGrouping(static_cast<NeighboursModel::Grouping>(index));
        m_table->setRootIsDecorated(index != 0);
        fitColumns();
        if (m_model.rowCount() > 0)
            m_table->expand(m_model.index(0, 0));
    });
    connect(m_filter, &QLineEdit::textChanged, &m_model, &NeighboursModel::setFilter);
    return box;
}

void NeighboursView::buildTable()
{
    m_table->setObjectName(QStringLiteral("neighbourTable"));
    m_table->setAccessibleName(tr("Neighbours"));
    m_table->setModel(&m_model);
    m_table->setUniformRowHeights(true);
    m_table->setRootIsDecorated(false);
    m_table->setAlternatingRowColors(true);
    m_table->setAllColumnsShowFocus(true);
    m_table->setFrameShape(QFrame::NoFrame);
    m_table->setSelectionMode(QAbstractItemView::ExtendedSelection);
    m_table->setItemDelegateForColumn(NeighboursModel::Context, new ContextDelegate(m_table));
    m_table->setItemDelegateForColumn(NeighboursModel::Weight, new WeightDelegate(m_table));
    m_table->setContextMenuPolicy(Qt::ActionsContextMenu);
    m_table->setSortingEnabled(true);
    m_table->sortByColumn(NeighboursModel::Weight, Qt::DescendingOrder);
    QHeaderView *header = m_table->header();
    header->setStretchLastSection(false);
    header->setSectionsMovable(true);
    const int digit = fontMetrics().horizontalAdvance(QLatin1Char('0'));
    const std::pair<int, int> widths[] = {{NeighboursModel::Rank, 9}, {NeighboursModel::Weight, 9}, {NeighboursModel::KeptWeight, 9}, {NeighboursModel::Distance, 10}, {NeighboursModel::Value, 13},
                                          {NeighboursModel::DocumentTitle, 24}, {NeighboursModel::Place, 11}, {NeighboursModel::Origin, 9}};
    for (const auto &[column, digits] : widths)
        m_table->setColumnWidth(column, digits * digit);
    header->setMinimumSectionSize(4 * digit);
    m_table->setColumnHidden(NeighboursModel::KeptWeight, true); // until something is compared
    header->moveSection(header->visualIndex(NeighboursModel::Context), 3); // what is read first stands first
}

/// The contexts get what the other columns leave, or most of a narrow table: then those are a scroll away.
void NeighboursView::fitColumns()
{
    const int digit = fontMetrics().horizontalAdvance(QLatin1Char('0'));
    m_table->setColumnWidth(NeighboursModel::Rank, (m_model.grouping() == NeighboursModel::Grouping::None ? 9 : 15) * digit);
    const int width = m_table->viewport()->width();
    int others = 0;
    for (int column = 0; column < NeighboursModel::ColumnCount; ++column)
        others += column == NeighboursModel::Context || m_table->isColumnHidden(column) ? 0 : m_table->columnWidth(column);
    const int first = m_table->columnWidth(NeighboursModel::Rank) + m_table->columnWidth(NeighboursModel::Weight) + m_table->columnWidth(NeighboursModel::Distance);
    m_table->setColumnWidth(NeighboursModel::Context, width - others >= width * contextShare ? width - others : std::max(width - first, 30 * digit));
}

void NeighboursView::buildActions()
{
    QList<QAction *> actions;
    actions << addViewAction(tr("Open the place in the corpus"), QKeySequence(Qt::Key_Return), [this] { openPlace(0); });
    actions << addViewAction(tr("Follow its pointer"), QKeySequence(Qt::Key_Period), [this] { openPlace(1); });
    actions << addViewAction(tr("Switch off or on"), QKeySequence(Qt::Key_X), [this] { toggleSelected(); });
    actions << addViewAction(tr("Switch all neighbours on"), {}, [this] { m_inspector.switchAllOn(); });
    addViewAction(tr("Filter the neighbours"), QKeySequence::Find, [this] { m_filter->setFocus(); });
    m_table->addActions(actions);
    connect(m_table, &QTreeView::doubleClicked, this, [this] { openPlace(0); });
}

void NeighboursView::showTrace(const std::shared_ptr<const TraceSession> &)
{
    showInspection();
}

void NeighboursView::showInspection()
{
    if (!trace())
        return;
    const auto inspection = m_inspector.inspection();
    if (!inspection) {
        m_model.setInspection(nullptr);
        showEmpty(tr("Point at a token of the text to see its neighbours; click to keep them."), tr("Take the first token"), [this] { session().selection().movePrimary(1); });
        return;
    }
    showContent();
    if (inspection != m_inspector.inspection())
        return; // other widgets came under the mouse, which left the token: that has been shown already
    const bool otherPosition = !m_model.neighbourCount() || m_caption->property("position").toLongLong() != inspection->now.position.value;
    m_model.setInspection(inspection);
    if (const bool compares = inspection->kept != nullptr; m_table->isColumnHidden(NeighboursModel::KeptWeight) == compares) {
        m_table->setColumnHidden(NeighboursModel::KeptWeight, !compares);
        fitColumns();
    }
    m_caption->setProperty("position", static_cast<qlonglong>(inspection->now.position.value));
    m_caption->setText(captionOf(*inspection));
    m_change->setText(changeOf(*inspection));
    m_allOn->setVisible(!inspection->switchedOff.empty());
    const bool none = inspection->now.neighbours.empty();
    m_none->setText(inspection->settings.method == Method::Base ? tr("The setting in force is the LM alone: it asks for no neighbours.")
                                                                : tr("No search was made here and no pointer led on: the LM stands alone."));
    m_none->setVisible(none);
    if (otherPosition) {
        m_table->scrollToTop();
        if (m_model.grouping() != NeighboursModel::Grouping::None && m_model.rowCount() > 0)
            m_table->expand(m_model.index(0, 0));
    }
}

QString NeighboursView::captionOf(const Inspection &inspection) const
{
    const QLocale locale;
    const PositionInspection &now = inspection.now;
    const QString token = tokenLabel(inspection.trace->tokenText(now.target), now.target).toHtmlEscaped();
    QString caption = tr("<b>“%1”</b> · position %2 · ").arg(token, locale.toString(static_cast<qlonglong>(now.position.value)));
    if (now.neighbours.empty())
        return caption + tr("no neighbours");
    caption += now.searched ? tr("searched") : tr("search saved: %n pointer(s) followed", nullptr, now.plan.directPointers);
    caption += tr(" · %n neighbour(s)", nullptr, static_cast<int>(now.neighbours.size()));
    if (!inspection.trace->hasDatastoreTokens())
        caption += tr(" · contexts from the entries' values, as the datastore's text is not known");
    if (inspection.trace->trace().indexIsExact())
        return caption + tr(" · exact search, exact distances");
    const double recall = inspection.trace->recall();
    caption += recall >= 0 ? tr(" · <b>approximate</b> search, measured recall %1 %").arg(locale.toString(recall * 100, 'f', 1)) : tr(" · <b>approximate</b> search, recall not measured");
    return caption + (now.exactDistances ? tr(", distances recomputed from the keys") : tr(", distances of the index (<b>approximate</b>)"));
}

QString NeighboursView::changeOf(const Inspection &inspection) const
{
    const QLocale locale;
    const auto p = [&](double value) { return locale.toString(value, 'g', 4); };
    if (inspection.switchedOff.empty())
        return tr("p(mixed) of the token: <b>%1</b>").arg(p(inspection.probabilityNow()));
    const double change = inspection.probabilityNow() - inspection.probabilityBefore();
    return tr("p(mixed): %1 → <b>%2</b> (%3%4) without %n neighbour(s)", nullptr, static_cast<int>(inspection.switchedOff.size()))
        .arg(p(inspection.probabilityBefore()), p(inspection.probabilityNow()), change >= 0 ? QStringLiteral("+") : QStringLiteral("−"), p(std::abs(change)));
}

void NeighboursView::openPlace(std::int64_t pointers)
{
    const EntryId entry = m_model.entryAt(m_table->currentIndex());
    if (!entry.valid() || !trace())
        return;
    if (!m_reader)
        m_reader = new CorpusReader(this);
    const bool leadsOn = pointers > 0 && trace()->datastore().hasPointer(entry);
    m_reader->open(trace(), leadsOn ? entry.next() : entry); // the reader says when there is no pointer
}

void NeighboursView::toggleSelected()
{
    std::vector<EntryId> entries;
    for (const QModelIndex &index : m_table->selectionModel()->selectedRows()) {
        const auto more = m_model.entriesAt(index);
        entries.insert(entries.end(), more.begin(), more.end());
    }
    if (!entries.empty())
        m_inspector.setSwitchedOff(entries, !m_table->currentIndex().data(NeighboursModel::IsOffRole).toBool());
}

QStringList NeighboursView::exportSuffixes() const
{
    return QStringList{QStringLiteral("csv"), QStringLiteral("md"), QStringLiteral("tex")} + ExploreView::exportSuffixes();
}

void NeighboursView::exportTo(const QString &file, const QSize &size)
{
    if (!isTableSuffix(QFileInfo(file).suffix().toLower())) {
        ExploreView::exportTo(file, size);
        return;
    }
    if (!m_inspector.inspection())
        fail(ErrorKind::NotFound, "There are no neighbours to export; choose a token first.");
    NeighboursModel flat;
    flat.setInspection(m_inspector.inspection());
    flat.sort(m_table->header()->sortIndicatorSection(), m_table->header()->sortIndicatorOrder());
    flat.fetchAllContexts();
    QList<int> columns;
    for (int column = 0; column < flat.columnCount(); ++column) {
        if (column != NeighboursModel::KeptWeight || m_inspector.inspection()->kept)
            columns << column;
    }
    exportTable(flat, file, columns);
}

bool NeighboursView::isSettled() const
{
    return ExploreView::isSettled() && !m_inspector.isBusy() && !m_model.isFetching() && (!m_reader || m_reader->isSettled());
}

void NeighboursView::showEvent(QShowEvent *event)
{
    ExploreView::showEvent(event);
    m_inspector.setWanted(this, true);
}

void NeighboursView::resizeEvent(QResizeEvent *event)
{
    ExploreView::resizeEvent(event);
    content()->layout()->activate(); // the table has its new width
    fitColumns();
}

void NeighboursView::hideEvent(QHideEvent *event)
{
    ExploreView::hideEvent(event);
    m_inspector.setWanted(this, false);
}

} // namespace retoscope
