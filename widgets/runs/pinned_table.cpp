// SPDX-License-Identifier: GPL-3.0-or-later
#include "runs/pinned_table.h"

#include <QAbstractItemModel>
#include <QEvent>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QKeyEvent>
#include <QMenu>
#include <QScrollBar>
#include <QSettings>
#include <QVBoxLayout>

#include <algorithm>

namespace retoscope {

namespace {

constexpr int rowPadding = 8;      // pixels added to the font's height
constexpr int widestFitted = 320;  // pixels; a long note does not push the figures out of sight

QString titleOf(const QAbstractItemModel &model, int column)
{
    return model.headerData(column, Qt::Horizontal).toString();
}

} // namespace

PinnedTable::PinnedTable(QWidget *parent) : QWidget(parent), m_left(new QTableView), m_right(new QTableView), m_underLeft(new QWidget)
{
    auto *leftSide = new QVBoxLayout;
    leftSide->setSpacing(0);
    leftSide->addWidget(m_left, 1);
    leftSide->addWidget(m_underLeft);
    auto *layout = new QHBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addLayout(leftSide);
    layout->addWidget(m_right, 1);
    for (QTableView *view : {m_left, m_right})
        setUp(*view);
    m_left->setObjectName(QStringLiteral("pinnedColumns"));
    m_right->setObjectName(QStringLiteral("scrollingColumns"));
    m_left->setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_left->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_left->horizontalHeader()->setSectionsMovable(false);
    m_underLeft->hide();
    connect(m_left->verticalScrollBar(), &QScrollBar::valueChanged, m_right->verticalScrollBar(), &QScrollBar::setValue);
    connect(m_right->verticalScrollBar(), &QScrollBar::valueChanged, m_left->verticalScrollBar(), &QScrollBar::setValue);
    m_right->horizontalScrollBar()->installEventFilter(this);
    setFocusProxy(m_right);
}

void PinnedTable::setUp(QTableView &view)
{
    view.setSelectionBehavior(QAbstractItemView::SelectRows);
    view.setSelectionMode(QAbstractItemView::ExtendedSelection);
    view.setAlternatingRowColors(true);
    view.setShowGrid(false);
    view.setWordWrap(false);
    view.setFrameShape(QFrame::NoFrame);
    view.setEditTriggers(QAbstractItemView::EditKeyPressed | QAbstractItemView::SelectedClicked);
    view.setHorizontalScrollMode(QAbstractItemView::ScrollPerPixel);
    view.setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
    view.setContextMenuPolicy(Qt::NoContextMenu); // the owner's menu
    view.verticalHeader()->hide();
    view.verticalHeader()->setSectionResizeMode(QHeaderView::Fixed);
    view.verticalHeader()->setDefaultSectionSize(view.fontMetrics().height() + rowPadding);
    QHeaderView *header = view.horizontalHeader();
    header->setHighlightSections(false);
    header->setSectionsMovable(true);
    header->setSectionsClickable(true);
    header->setSortIndicatorShown(true);
    header->setContextMenuPolicy(Qt::CustomContextMenu);
    header->setResizeContentsPrecision(0); // fit to the rows on screen: to lay out a thousand rows takes several frames
    connect(header, &QHeaderView::sectionClicked, this, [this, header](int column) { sortBy(column, header->sortIndicatorOrder()); });
    connect(header, &QHeaderView::sectionMoved, this, &PinnedTable::columnsChanged);
    connect(header, &QHeaderView::sectionResized, this, [this] {
        fitLeft();
        Q_EMIT columnsChanged();
    });
    connect(header, &QWidget::customContextMenuRequested, this, [this, header](const QPoint &position) {
        QMenu menu;
        fillHeaderMenu(menu, header->logicalIndexAt(position));
        menu.exec(header->mapToGlobal(position));
    });
    connect(&view, &QAbstractItemView::doubleClicked, this, &PinnedTable::activated);
    connect(&view, &QAbstractItemView::clicked, this, &PinnedTable::clicked);
    view.installEventFilter(this);
}

void PinnedTable::setModel(QAbstractItemModel *model)
{
    m_right->setModel(model);
    m_left->setModel(model);
    delete m_left->selectionModel();
    m_left->setSelectionModel(m_right->selectionModel());
    applyColumns();
}

void PinnedTable::setItemDelegateForColumn(int column, QAbstractItemDelegate *delegate)
{
    m_left->setItemDelegateForColumn(column, delegate);
    m_right->setItemDelegateForColumn(column, delegate);
}

void PinnedTable::setColumnShown(int column, bool shown)
{
    if (isColumnShown(column) == shown)
        return;
    if (shown)
        m_hidden.removeAll(column);
    else
        m_hidden.append(column);
    applyColumns();
    Q_EMIT columnsChanged();
}

void PinnedTable::setColumnPinned(int column, bool pinned)
{
    if (isColumnPinned(column) == pinned)
        return;
    if (pinned)
        m_pinned.append(column);
    else
        m_pinned.removeAll(column);
    applyColumns();
    Q_EMIT columnsChanged();
}

QList<int> PinnedTable::shownColumns() const
{
    QList<int> columns;
    for (const QTableView *view : {m_left, m_right}) {
        const QHeaderView *header = view->horizontalHeader();
        for (int at = 0; at < header->count(); ++at) {
            const int column = header->logicalIndex(at);
            if (!header->isSectionHidden(column))
                columns << column;
        }
    }
    return columns;
}

void PinnedTable::sortBy(int column, Qt::SortOrder order)
{
    for (QTableView *view : {m_left, m_right})
        view->horizontalHeader()->setSortIndicator(column, order);
    if (m_right->model())
        m_right->model()->sort(column, order);
    Q_EMIT columnsChanged();
}

void PinnedTable::fitColumns()
{
    for (QTableView *view : {m_left, m_right}) {
        for (const int column : shownColumns()) {
            if (view->isColumnHidden(column))
                continue;
            view->resizeColumnToContents(column);
            if (view->columnWidth(column) > widestFitted)
                view->setColumnWidth(column, widestFitted);
        }
    }
    fitLeft();
}

void PinnedTable::applyColumns()
{
    const QAbstractItemModel *model = m_right->model();
    if (!model)
        return;
    for (int column = 0; column < model->columnCount(); ++column) {
        const bool shown = isColumnShown(column), pinned = isColumnPinned(column);
        m_left->setColumnHidden(column, !shown || !pinned);
        m_right->setColumnHidden(column, !shown || pinned);
    }
    QHeaderView *header = m_left->horizontalHeader();
    for (int at = 0; at < m_pinned.size(); ++at) // in the order in which they were pinned
        header->moveSection(header->visualIndex(m_pinned[at]), at);
    fitLeft();
}

void PinnedTable::fitLeft()
{
    m_left->setVisible(m_left->horizontalHeader()->length() > 0);
    m_left->setFixedWidth(m_left->horizontalHeader()->length());
}

void PinnedTable::setDefaults(const QList<int> &pinned, const QList<int> &hidden)
{
    m_defaultPinned = pinned;
    m_defaultHidden = hidden;
    resetColumns();
}

void PinnedTable::resetColumns()
{
    m_pinned = m_defaultPinned;
    m_hidden = m_defaultHidden;
    QHeaderView *header = m_right->horizontalHeader();
    for (int column = 0; column < header->count(); ++column)
        header->moveSection(header->visualIndex(column), column);
    applyColumns();
    fitColumns();
    Q_EMIT columnsChanged();
}

void PinnedTable::restore(const QSettings &settings)
{
    const QAbstractItemModel *model = m_right->model();
    if (!model || !settings.contains(QStringLiteral("columns/order")))
        return;
    const auto columnsOf = [&](const QString &key) {
        QList<int> columns;
        for (const QString &title : settings.value(key).toStringList()) {
            for (int column = 0; column < model->columnCount(); ++column) {
                if (titleOf(*model, column) == title)
                    columns << column;
            }
        }
        return columns;
    };
    m_pinned = columnsOf(QStringLiteral("columns/pinned"));
    m_hidden = columnsOf(QStringLiteral("columns/hidden"));
    QHeaderView *header = m_right->horizontalHeader();
    const QList<int> order = columnsOf(QStringLiteral("columns/order"));
    for (int at = 0; at < order.size(); ++at)
        header->moveSection(header->visualIndex(order[at]), at);
    applyColumns();
    for (int column = 0; column < model->columnCount(); ++column) {
        const int width = settings.value(QStringLiteral("columns/width/") + titleOf(*model, column), 0).toInt();
        if (width > 0)
            (isColumnPinned(column) ? m_left : m_right)->setColumnWidth(column, width);
    }
    const QString sorted = settings.value(QStringLiteral("columns/sorted")).toString();
    for (int column = 0; column < model->columnCount(); ++column) {
        if (titleOf(*model, column) == sorted)
            sortBy(column, settings.value(QStringLiteral("columns/descending")).toBool() ? Qt::DescendingOrder : Qt::AscendingOrder);
    }
}

void PinnedTable::save(QSettings &settings) const
{
    const QAbstractItemModel *model = m_right->model();
    if (!model)
        return;
    const auto titles = [&](const QList<int> &columns) {
        QStringList names;
        for (const int column : columns)
            names << titleOf(*model, column);
        return names;
    };
    const QHeaderView *header = m_right->horizontalHeader();
    QList<int> order;
    for (int at = 0; at < header->count(); ++at)
        order << header->logicalIndex(at);
    settings.setValue(QStringLiteral("columns/order"), titles(order));
    settings.setValue(QStringLiteral("columns/pinned"), titles(m_pinned));
    settings.setValue(QStringLiteral("columns/hidden"), titles(m_hidden));
    for (const int column : shownColumns())
        settings.setValue(QStringLiteral("columns/width/") + titleOf(*model, column), (isColumnPinned(column) ? m_left : m_right)->columnWidth(column));
    settings.setValue(QStringLiteral("columns/sorted"), titleOf(*model, header->sortIndicatorSection()));
    settings.setValue(QStringLiteral("columns/descending"), header->sortIndicatorOrder() == Qt::DescendingOrder);
}

void PinnedTable::fillHeaderMenu(QMenu &menu, int column)
{
    const QAbstractItemModel &model = *m_right->model();
    if (column >= 0) {
        const QString title = titleOf(model, column);
        const bool pinned = isColumnPinned(column);
        menu.addAction(pinned ? tr("Unpin “%1”").arg(title) : tr("Pin “%1” at the left").arg(title), this, [this, column, pinned] { setColumnPinned(column, !pinned); });
        menu.addAction(tr("Hide “%1”").arg(title), this, [this, column] { setColumnShown(column, false); });
        menu.addSeparator();
    }
    QMenu *columns = menu.addMenu(tr("Columns"));
    for (int at = 0; at < model.columnCount(); ++at) {
        QAction *action = columns->addAction(titleOf(model, at));
        action->setCheckable(true);
        action->setChecked(isColumnShown(at));
        connect(action, &QAction::toggled, this, [this, at](bool shown) { setColumnShown(at, shown); });
    }
    menu.addAction(tr("Fit the columns"), this, &PinnedTable::fitColumns);
    menu.addAction(tr("Restore the default columns"), this, &PinnedTable::resetColumns);
}

bool PinnedTable::eventFilter(QObject *watched, QEvent *event)
{
    if (watched == m_right->horizontalScrollBar() && (event->type() == QEvent::Show || event->type() == QEvent::Hide)) {
        m_underLeft->setFixedHeight(m_right->horizontalScrollBar()->sizeHint().height());
        m_underLeft->setVisible(event->type() == QEvent::Show);
    }
    if (event->type() == QEvent::KeyPress && (watched == m_left || watched == m_right)) {
        const int key = static_cast<QKeyEvent *>(event)->key();
        const auto *view = static_cast<QTableView *>(watched);
        if ((key == Qt::Key_Return || key == Qt::Key_Enter) && view->currentIndex().isValid() && view->indexWidget(view->currentIndex()) == nullptr) {
            Q_EMIT activated(view->currentIndex());
            return true;
        }
    }
    return QWidget::eventFilter(watched, event);
}

} // namespace retoscope
