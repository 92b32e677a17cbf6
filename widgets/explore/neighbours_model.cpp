// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/neighbours_model.h"

#include "explore/token_cells.h"

#include <QLocale>

#include <algorithm>

namespace retoscope {

namespace {

constexpr std::int32_t contextTokens = 24; // on each side of the value
constexpr int keptContexts = 20'000;

QString originName(Replay::PositionCandidates::Origin origin)
{
    using enum Replay::PositionCandidates::Origin;
    switch (origin) {
    case Search:
        return QObject::tr("search");
    case Pointer:
        return QObject::tr("pointer");
    case State:
        return QObject::tr("state");
    }
    return {};
}

bool isNumber(int column)
{
    return column == NeighboursModel::Rank || column == NeighboursModel::Distance || column == NeighboursModel::Weight || column == NeighboursModel::KeptWeight || column == NeighboursModel::Place;
}

QString percent(double share)
{
    return QObject::tr("%1 %").arg(QLocale().toString(share * 100, 'f', share < 0.001 ? 3 : share < 0.1 ? 2 : 1));
}

} // namespace

NeighboursModel::NeighboursModel(QObject *parent) : QAbstractItemModel(parent), m_contexts(keptContexts)
{
    m_fetchTimer.setSingleShot(true);
    m_fetchTimer.setInterval(0); // everything that one painting asks for is fetched together
    connect(&m_fetchTimer, &QTimer::timeout, this, &NeighboursModel::fetch);
    m_fetching.onAnswer([this](Contexts contexts) {
        for (auto &[entry, text] : contexts) {
            m_wanted.erase(entry);
            m_contexts.insert(entry.value, new ContextText(std::move(text)));
        }
        if (m_filter.isEmpty()) {
            announceAll({Qt::DisplayRole, LeftRole, ValueRole, RightRole});
        } else { // what the filter looks at has come
            beginResetModel();
            arrange();
            endResetModel();
        }
        Q_EMIT contextsArrived();
        if (!m_wanted.empty())
            m_fetchTimer.start();
    });
}

NeighboursModel::~NeighboursModel() = default;

void NeighboursModel::setInspection(std::shared_ptr<const Inspection> inspection)
{
    const auto *neighbours = inspection ? &inspection->now.neighbours : nullptr;
    const bool sameTrace = inspection && m_inspection && inspection->trace == m_inspection->trace;
    const bool sameRows = sameTrace && inspection->now.position == m_inspection->now.position
                          && std::ranges::equal(*neighbours, m_rows, [](const InspectedNeighbour &a, const Row &b) { return a.entry == b.neighbour.entry; });
    m_largestWeight = 0;
    for (std::size_t i = 0; neighbours && i < neighbours->size(); ++i)
        m_largestWeight = std::max(m_largestWeight, (*neighbours)[i].weight);
    if (sameRows) {
        m_inspection = std::move(inspection);
        weigh();
        for (Group &group : m_groups) {
            group.weight = group.keptWeight = 0;
            for (const int row : group.rows) {
                group.weight += m_rows[static_cast<std::size_t>(row)].neighbour.weight;
                group.keptWeight += m_rows[static_cast<std::size_t>(row)].keptWeight;
            }
        }
        announceAll({});
        return;
    }
    beginResetModel();
    if (!sameTrace)
        m_contexts.clear();
    m_wanted.clear();
    m_inspection = std::move(inspection);
    m_rows.clear();
    for (std::size_t i = 0; neighbours && i < neighbours->size(); ++i) {
        const InspectedNeighbour &neighbour = (*neighbours)[i];
        const TraceSession &trace = *m_inspection->trace;
        m_rows.push_back({neighbour, 0, m_inspection->values[i], trace.datastore().documentOf(neighbour.entry),
                          trace.datastore().tokenIndex(neighbour.entry)});
    }
    weigh();
    arrange();
    endResetModel();
}

void NeighboursModel::weigh()
{
    if (!m_inspection)
        return;
    QHash<qint64, double> kept;
    if (m_inspection->kept) {
        for (const InspectedNeighbour &neighbour : m_inspection->kept->neighbours)
            kept[neighbour.entry.value] += neighbour.weight; // parity mode counts an entry twice
    }
    for (std::size_t i = 0; i < m_rows.size(); ++i) {
        m_rows[i].neighbour = m_inspection->now.neighbours[i];
        m_rows[i].keptWeight = kept.value(m_rows[i].neighbour.entry.value, 0);
    }
}

void NeighboursModel::setGrouping(Grouping grouping)
{
    beginResetModel();
    m_grouping = grouping;
    arrange();
    endResetModel();
}

void NeighboursModel::setFilter(const QString &text)
{
    beginResetModel();
    m_filter = text;
    if (!text.isEmpty()) {
        for (const Row &row : m_rows)
            want(row.neighbour.entry);
    }
    arrange();
    endResetModel();
}

void NeighboursModel::fetchAllContexts()
{
    for (const Row &row : m_rows)
        m_contexts.insert(row.neighbour.entry.value, new ContextText(contextText(*m_inspection->trace, row.neighbour.entry)));
    announceAll({Qt::DisplayRole});
}

NeighboursModel::ContextText NeighboursModel::contextText(const TraceSession &trace, EntryId entry)
{
    const EntryContext context = trace.contextOf(entry, contextTokens);
    QString title = QString::fromStdString(context.documentTitle);
    if (title.isEmpty())
        title = tr("document %1").arg(context.document.value + 1);
    return {singleLine(context.left), singleLine(context.value), singleLine(context.right), title};
}

const NeighboursModel::ContextText *NeighboursModel::contextOf(EntryId entry) const
{
    const ContextText *known = m_contexts.object(entry.value);
    if (!known)
        want(entry);
    return known;
}

void NeighboursModel::want(EntryId entry) const
{
    if (m_contexts.contains(entry.value))
        return;
    m_wanted.insert(entry);
    if (!m_fetching.isBusy())
        m_fetchTimer.start();
}

void NeighboursModel::fetch()
{
    if (!m_inspection || m_wanted.empty() || m_fetching.isBusy())
        return;
    m_fetching.ask([trace = m_inspection->trace, wanted = std::vector<EntryId>(m_wanted.begin(), m_wanted.end())](JobControl &job) {
        Contexts contexts;
        for (const EntryId entry : wanted) {
            job.checkpoint();
            contexts.emplace_back(entry, contextText(*trace, entry));
        }
        return contexts;
    });
}

bool NeighboursModel::passes(const Row &row) const
{
    if (m_filter.isEmpty() || row.value.contains(m_filter, Qt::CaseInsensitive))
        return true;
    const ContextText *context = m_contexts.object(row.neighbour.entry.value);
    if (!context)
        return false;
    const QString whole = context->left + context->value + context->right;
    return whole.contains(m_filter, Qt::CaseInsensitive) || context->title.contains(m_filter, Qt::CaseInsensitive);
}

bool NeighboursModel::less(int left, int right) const
{
    const Row &a = m_rows[static_cast<std::size_t>(left)], &b = m_rows[static_cast<std::size_t>(right)];
    switch (m_sortColumn) {
    case Distance:
        return a.neighbour.distance < b.neighbour.distance;
    case Weight:
        return a.neighbour.weight < b.neighbour.weight;
    case KeptWeight:
        return a.keptWeight < b.keptWeight;
    case Value:
        return a.value.compare(b.value, Qt::CaseInsensitive) < 0;
    case DocumentTitle:
    case Place:
        return a.tokenIndex < b.tokenIndex;
    case Origin:
        return a.neighbour.origin < b.neighbour.origin;
    default:
        return a.neighbour.rank < b.neighbour.rank;
    }
}

void NeighboursModel::arrange()
{
    m_order.clear();
    for (int i = 0; i < static_cast<int>(m_rows.size()); ++i) {
        if (passes(m_rows[static_cast<std::size_t>(i)]))
            m_order.push_back(i);
    }
    const bool descending = m_sortOrder == Qt::DescendingOrder;
    std::ranges::stable_sort(m_order, [&](int a, int b) { return descending ? less(b, a) : less(a, b); });
    m_groups.clear();
    if (m_grouping == Grouping::None)
        return;
    QHash<qint64, std::size_t> groupOf;
    for (const int index : m_order) {
        const Row &row = m_rows[static_cast<std::size_t>(index)];
        const qint64 key = m_grouping == Grouping::Value ? row.neighbour.value.value : row.document.value;
        if (!groupOf.contains(key)) {
            groupOf.insert(key, m_groups.size());
            Group group;
            group.title = m_grouping == Grouping::Value ? row.value : contextText(*m_inspection->trace, row.neighbour.entry).title;
            group.distance = row.neighbour.distance;
            m_groups.push_back(std::move(group));
        }
        Group &group = m_groups[groupOf.value(key)];
        group.rows.push_back(index);
        group.weight += row.neighbour.weight;
        group.keptWeight += row.keptWeight;
        group.distance = std::min(group.distance, row.neighbour.distance);
    }
    const auto before = [this](const Group &a, const Group &b) {
        switch (m_sortColumn) {
        case Distance:
            return a.distance < b.distance;
        case Value:
        case DocumentTitle:
            return a.title.compare(b.title, Qt::CaseInsensitive) < 0;
        case Weight:
            return a.weight < b.weight;
        case KeptWeight:
            return a.keptWeight < b.keptWeight;
        default:
            return a.weight > b.weight; // the heaviest first
        }
    };
    std::ranges::stable_sort(m_groups, [&](const Group &a, const Group &b) { return descending ? before(b, a) : before(a, b); });
}

void NeighboursModel::sort(int column, Qt::SortOrder order)
{
    Q_EMIT layoutAboutToBeChanged({}, QAbstractItemModel::VerticalSortHint);
    const QModelIndexList before = persistentIndexList();
    std::vector<qint64> keys; // an entry, or −1 − the first row of a group
    for (const QModelIndex &index : before) {
        const Group *group = groupAt(index);
        keys.push_back(group ? -1 - *std::ranges::min_element(group->rows) : entryAt(index).value);
    }
    m_sortColumn = column;
    m_sortOrder = order;
    arrange();
    QHash<qint64, QModelIndex> places;
    for (int row = 0; row < rowCount(); ++row) {
        const QModelIndex top = index(row, 0);
        const Group *group = groupAt(top);
        places.insert(group ? -1 - *std::ranges::min_element(group->rows) : entryAt(top).value, top);
        for (int child = 0; child < rowCount(top); ++child)
            places.insert(entryAt(index(child, 0, top)).value, index(child, 0, top));
    }
    QModelIndexList after;
    for (qsizetype i = 0; i < before.size(); ++i)
        after << places.value(keys[static_cast<std::size_t>(i)]).siblingAtColumn(before[i].column());
    changePersistentIndexList(before, after);
    Q_EMIT layoutChanged({}, QAbstractItemModel::VerticalSortHint);
}

int NeighboursModel::shownCount() const
{
    return static_cast<int>(m_order.size());
}

QModelIndex NeighboursModel::index(int row, int column, const QModelIndex &parent) const
{
    if (!hasIndex(row, column, parent))
        return {};
    return createIndex(row, column, parent.isValid() ? static_cast<quintptr>(parent.row()) + 1 : quintptr(0));
}

QModelIndex NeighboursModel::parent(const QModelIndex &child) const
{
    return child.isValid() && child.internalId() > 0 ? createIndex(static_cast<int>(child.internalId()) - 1, 0, quintptr(0)) : QModelIndex();
}

int NeighboursModel::rowCount(const QModelIndex &parent) const
{
    if (!parent.isValid())
        return static_cast<int>(m_grouping == Grouping::None ? m_order.size() : m_groups.size());
    const Group *group = parent.column() == 0 ? groupAt(parent) : nullptr;
    return group ? static_cast<int>(group->rows.size()) : 0;
}

int NeighboursModel::columnCount(const QModelIndex &) const
{
    return ColumnCount;
}

const NeighboursModel::Group *NeighboursModel::groupAt(const QModelIndex &index) const
{
    const bool isGroup = index.isValid() && m_grouping != Grouping::None && index.internalId() == 0;
    return isGroup ? &m_groups[static_cast<std::size_t>(index.row())] : nullptr;
}

const NeighboursModel::Row *NeighboursModel::rowAt(const QModelIndex &index) const
{
    if (!index.isValid() || groupAt(index))
        return nullptr;
    const auto row = static_cast<std::size_t>(index.row());
    const int at = index.internalId() > 0 ? m_groups[index.internalId() - 1].rows[row] : m_order[row];
    return &m_rows[static_cast<std::size_t>(at)];
}

EntryId NeighboursModel::entryAt(const QModelIndex &index) const
{
    const Row *row = rowAt(index);
    return row ? row->neighbour.entry : EntryId();
}

std::vector<EntryId> NeighboursModel::entriesAt(const QModelIndex &index) const
{
    if (const Row *row = rowAt(index))
        return {row->neighbour.entry};
    std::vector<EntryId> entries;
    if (const Group *group = groupAt(index)) {
        for (const int row : group->rows)
            entries.push_back(m_rows[static_cast<std::size_t>(row)].neighbour.entry);
    }
    return entries;
}

bool NeighboursModel::isOff(EntryId entry) const
{
    return m_inspection && m_inspection->switchedOff.contains(entry);
}

QVariant NeighboursModel::data(const QModelIndex &index, int role) const
{
    if (role == Qt::TextAlignmentRole)
        return QVariant::fromValue(Qt::AlignVCenter | (isNumber(index.column()) ? Qt::AlignRight : Qt::AlignLeft));
    if (role == LargestWeightRole) {
        double largest = m_largestWeight;
        for (const Group &group : m_groups)
            largest = std::max(largest, group.weight);
        return largest;
    }
    if (const Group *group = groupAt(index))
        return groupData(*group, index.column(), role);
    const Row *row = rowAt(index);
    return row ? neighbourData(*row, index.column(), role) : QVariant();
}

QVariant NeighboursModel::neighbourData(const Row &row, int column, int role) const
{
    const InspectedNeighbour &neighbour = row.neighbour;
    const QLocale locale;
    switch (role) {
    case Qt::CheckStateRole:
        return column == Rank ? QVariant(isOff(neighbour.entry) ? Qt::Unchecked : Qt::Checked) : QVariant();
    case EntryRole:
        return static_cast<qint64>(neighbour.entry.value);
    case WeightRole:
        return neighbour.weight;
    case IsTargetRole:
        return neighbour.isTarget;
    case IsOffRole:
        return isOff(neighbour.entry);
    case IsGroupRole:
        return false;
    case LeftRole:
    case RightRole: {
        const ContextText *context = contextOf(neighbour.entry);
        return !context ? QString() : (role == LeftRole ? context->left : context->right);
    }
    case ValueRole:
        return row.value;
    case Qt::ToolTipRole:
        if (column == Context) {
            const ContextText *context = contextOf(neighbour.entry);
            return context ? QStringLiteral("<p>%1<b>%2</b>%3</p>").arg(context->left.toHtmlEscaped(), context->value.toHtmlEscaped(), context->right.toHtmlEscaped()) : QVariant();
        }
        if (column == Origin && neighbour.state.valid())
            return tr("%1; state %2").arg(originName(neighbour.origin), locale.toString(neighbour.state.value));
        return column == Rank ? tr("Untick to leave this neighbour out of p(kNN)") : QVariant();
    case Qt::DisplayRole:
        break;
    default:
        return {};
    }
    switch (column) {
    case Rank:
        return locale.toString(neighbour.rank);
    case Distance:
        return locale.toString(neighbour.distance, 'g', 5);
    case Weight:
        return isOff(neighbour.entry) ? tr("off") : percent(neighbour.weight);
    case KeptWeight:
        return row.keptWeight > 0 ? percent(row.keptWeight) : QStringLiteral("–");
    case Value:
        return neighbour.isTarget ? row.value + QStringLiteral(" ✓") : row.value;
    case Context: {
        const ContextText *context = contextOf(neighbour.entry);
        return context ? context->left + QLatin1Char('[') + context->value + QLatin1Char(']') + context->right : QStringLiteral("…");
    }
    case DocumentTitle: {
        const ContextText *context = contextOf(neighbour.entry);
        return context ? context->title : QStringLiteral("…");
    }
    case Place:
        return locale.toString(static_cast<qlonglong>(row.tokenIndex));
    case Origin:
        return originName(neighbour.origin);
    default:
        return {};
    }
}

QVariant NeighboursModel::groupData(const Group &group, int column, int role) const
{
    const QLocale locale;
    switch (role) {
    case EntryRole:
        return static_cast<qint64>(-1);
    case WeightRole:
        return group.weight;
    case IsGroupRole:
        return true;
    case IsOffRole:
        return std::ranges::all_of(group.rows, [this](int row) { return isOff(m_rows[static_cast<std::size_t>(row)].neighbour.entry); });
    case IsTargetRole:
        return m_grouping == Grouping::Value && m_rows[static_cast<std::size_t>(group.rows.front())].neighbour.isTarget;
    case ValueRole:
        return m_grouping == Grouping::Value ? group.title : QString();
    case Qt::CheckStateRole: {
        if (column != Rank)
            return {};
        const auto off = std::ranges::count_if(group.rows, [this](int row) { return isOff(m_rows[static_cast<std::size_t>(row)].neighbour.entry); });
        return off == 0 ? Qt::Checked : (off == static_cast<std::ptrdiff_t>(group.rows.size()) ? Qt::Unchecked : Qt::PartiallyChecked);
    }
    case Qt::DisplayRole:
        break;
    default:
        return {};
    }
    switch (column) {
    case Rank:
        return tr("%1 ×").arg(locale.toString(static_cast<qlonglong>(group.rows.size())));
    case Distance:
        return tr("≥ %1").arg(locale.toString(group.distance, 'g', 5));
    case Weight:
        return percent(group.weight);
    case KeptWeight:
        return group.keptWeight > 0 ? percent(group.keptWeight) : QStringLiteral("–");
    case Value:
        return m_grouping == Grouping::Value ? group.title : QString();
    case DocumentTitle:
        return m_grouping == Grouping::Document ? group.title : QString();
    default:
        return {};
    }
}

bool NeighboursModel::setData(const QModelIndex &index, const QVariant &value, int role)
{
    const std::vector<EntryId> entries = entriesAt(index);
    if (role != Qt::CheckStateRole || index.column() != Rank || entries.empty())
        return false;
    Q_EMIT switchRequested(entries, value.toInt() == Qt::Unchecked);
    return true;
}

Qt::ItemFlags NeighboursModel::flags(const QModelIndex &index) const
{
    Qt::ItemFlags flags = QAbstractItemModel::flags(index);
    if (index.isValid() && index.column() == Rank)
        flags |= Qt::ItemIsUserCheckable;
    if (index.isValid() && !groupAt(index))
        flags |= Qt::ItemNeverHasChildren;
    return flags;
}

QVariant NeighboursModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal)
        return {};
    if (role == Qt::TextAlignmentRole)
        return QVariant::fromValue(Qt::AlignVCenter | (isNumber(section) ? Qt::AlignRight : section == Context ? Qt::AlignHCenter : Qt::AlignLeft));
    if (role == Qt::InitialSortOrderRole)
        return section == Weight || section == KeptWeight ? Qt::DescendingOrder : Qt::AscendingOrder;
    if (role == Qt::ToolTipRole) {
        switch (section) {
        case Rank: return tr("Order in which the index returned them; untick to leave one out");
        case Distance: return tr("Squared L2 distance, or the negated inner product, between the query and the key");
        case Weight: return tr("Share of p(kNN): softmax of −distance/T");
        case KeptWeight: return tr("The same under the setting that is compared with; –: not among its candidates");
        case Value: return tr("The token that followed there; ✓ is the true next token");
        case Place: return tr("Index in the datastore's token stream");
        case Origin: return tr("Found by the search, by following a pointer, or as a member of a state");
        default: return {};
        }
    }
    if (role != Qt::DisplayRole)
        return {};
    switch (section) {
    case Rank: return tr("Rank");
    case Distance: return tr("Distance");
    case Weight: return tr("Weight");
    case KeptWeight: return tr("Kept");
    case Value: return tr("Value");
    case Context: return tr("left context · value · right context");
    case DocumentTitle: return tr("Document");
    case Place: return tr("Position");
    case Origin: return tr("From");
    default: return {};
    }
}

void NeighboursModel::announceAll(const QList<int> &roles)
{
    if (rowCount() == 0)
        return;
    Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, ColumnCount - 1), roles);
    for (int row = 0; m_grouping != Grouping::None && row < rowCount(); ++row) {
        const QModelIndex parent = index(row, 0);
        Q_EMIT dataChanged(index(0, 0, parent), index(rowCount(parent) - 1, ColumnCount - 1, parent), roles);
    }
}

} // namespace retoscope
