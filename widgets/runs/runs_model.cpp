// SPDX-License-Identifier: GPL-3.0-or-later
#include "runs/runs_model.h"

#include "ledger/run_table.h"

#include <QDateTime>
#include <QFont>
#include <QGuiApplication>
#include <QLocale>
#include <QPalette>

#include <algorithm>
#include <limits>
#include <utility>

namespace retoscope {

namespace {

struct ColumnInfo
{
    const char *title;
    const char *field; ///< in core's run table; null: of the row itself
    const char *hint;
    bool words = false;      ///< left-aligned text, and ascending at the first click
    bool smallIsGood = false; ///< ascending at the first click
};

constexpr std::array<ColumnInfo, RunColumns::ColumnCount> columnInfos = {{
    {"★", nullptr, QT_TRANSLATE_NOOP("RunsModel", "Starred runs; a click changes it")},
    {QT_TRANSLATE_NOOP("RunsModel", "status"), nullptr, "", true},
    {QT_TRANSLATE_NOOP("RunsModel", "run"), nullptr, QT_TRANSLATE_NOOP("RunsModel", "Number of the run in the ledger")},
    {QT_TRANSLATE_NOOP("RunsModel", "name"), nullptr, "", true},
    {QT_TRANSLATE_NOOP("RunsModel", "method"), nullptr, "", true},
    {QT_TRANSLATE_NOOP("RunsModel", "perplexity"), "perplexity", QT_TRANSLATE_NOOP("RunsModel", "Per token; lower is better"), false, true},
    {QT_TRANSLATE_NOOP("RunsModel", "FoSS"), "foss", QT_TRANSLATE_NOOP("RunsModel", "Fraction of saved searches")},
    {"λ", "lambda", QT_TRANSLATE_NOOP("RunsModel", "Weight of the kNN side")},
    {"T", "temperature", QT_TRANSLATE_NOOP("RunsModel", "Temperature of the kNN softmax")},
    {"k", "k", QT_TRANSLATE_NOOP("RunsModel", "Neighbours per search")},
    {"min_knns", "min_knns", QT_TRANSLATE_NOOP("RunsModel", "Fewer surviving pointers than this trigger a search")},
    {"max_knns", "max_knns", QT_TRANSLATE_NOOP("RunsModel", "At most so many candidates are scored")},
    {QT_TRANSLATE_NOOP("RunsModel", "searches"), "searches", "", false, true},
    {QT_TRANSLATE_NOOP("RunsModel", "clusters"), "clusters", QT_TRANSLATE_NOOP("RunsModel", "The states of RetoMaton"), true},
    {QT_TRANSLATE_NOOP("RunsModel", "data"), "trace", QT_TRANSLATE_NOOP("RunsModel", "The trace: evaluation text, model, datastore and index"), true},
    {QT_TRANSLATE_NOOP("RunsModel", "model"), "model", "", true},
    {QT_TRANSLATE_NOOP("RunsModel", "helped"), "helped", QT_TRANSLATE_NOOP("RunsModel", "Tokens that retrieval made more probable")},
    {QT_TRANSLATE_NOOP("RunsModel", "hurt"), "hurt", QT_TRANSLATE_NOOP("RunsModel", "Tokens that retrieval made less probable"), false, true},
    {QT_TRANSLATE_NOOP("RunsModel", "distances"), "distances", "", true},
    {QT_TRANSLATE_NOOP("RunsModel", "semantics"), "semantics", "", true},
    {QT_TRANSLATE_NOOP("RunsModel", "live"), "live", QT_TRANSLATE_NOOP("RunsModel", "Searches were really skipped; otherwise replayed from the trace"), true},
    {QT_TRANSLATE_NOOP("RunsModel", "seconds"), nullptr, "", false, true},
    {QT_TRANSLATE_NOOP("RunsModel", "started"), nullptr, "", false},
    {QT_TRANSLATE_NOOP("RunsModel", "tags"), nullptr, "", true},
    {QT_TRANSLATE_NOOP("RunsModel", "note"), nullptr, "", true},
}};

const ColumnInfo &infoOf(int column)
{
    return columnInfos[static_cast<std::size_t>(column)];
}

QString textOfNumber(int column, double number)
{
    const QLocale locale;
    switch (column) {
    case RunColumns::Perplexity: return locale.toString(number, 'f', 2);
    case RunColumns::Foss: return RunsModel::tr("%1 %").arg(locale.toString(number * 100, 'f', 1));
    case RunColumns::Seconds: return locale.toString(number, 'f', 2);
    case RunColumns::Lambda:
    case RunColumns::Temperature: return locale.toString(number, 'g', 4);
    default: return locale.toString(static_cast<qlonglong>(number));
    }
}

RunItem::Cell numberCell(int column, double number)
{
    return {textOfNumber(column, number), number, true};
}

/// A cell that core's run table knows.
RunItem::Cell fieldCell(int column, const RunRow &run)
{
    const Json value = runValue(run, infoOf(column).field);
    if (value.is_number())
        return numberCell(column, value.get<double>());
    if (value == "inf")
        return {QStringLiteral("∞"), std::numeric_limits<double>::infinity(), true};
    if (value.is_boolean())
        return {value.get<bool>() ? RunsModel::tr("yes") : QString(), 0, false};
    return {value.is_string() ? QString::fromStdString(value.get<std::string>()) : QString(), 0, false};
}

QString statusText(const RunRow &run)
{
    // A shape as well as a word.
    static constexpr const char *words[] = {QT_TRANSLATE_NOOP("RunsModel", "◌ running"), QT_TRANSLATE_NOOP("RunsModel", "✓ done"), QT_TRANSLATE_NOOP("RunsModel", "✗ failed")};
    const QString word = RunsModel::tr(words[static_cast<int>(run.status)]);
    return run.archived ? RunsModel::tr("%1, archived").arg(word) : word;
}

RunItem::Cell cellOf(int column, const RunRow &run)
{
    if (infoOf(column).field)
        return fieldCell(column, run);
    switch (column) {
    case RunColumns::Star: {
        const bool starred = std::ranges::find(run.tags, starTag) != run.tags.end();
        return {starred ? QStringLiteral("★") : QStringLiteral("☆"), starred ? 1.0 : 0.0, true};
    }
    case RunColumns::Status: return {statusText(run), 0, false};
    case RunColumns::Id: return {QString::number(run.id), static_cast<double>(run.id), true};
    case RunColumns::Name: return {QString::fromStdString(run.name), 0, false};
    case RunColumns::MethodName: return {QString::fromStdString(run.method), 0, false};
    case RunColumns::Seconds: return run.status == RunStatus::Running ? RunItem::Cell{} : numberCell(column, run.seconds);
    case RunColumns::Started:
        return {QLocale().toString(QDateTime::fromMSecsSinceEpoch(run.startedMs), QLocale::ShortFormat), static_cast<double>(run.startedMs), true};
    case RunColumns::Tags: return {visibleTags(run).join(QStringLiteral(", ")), 0, false};
    default: return {QString::fromStdString(run.note), 0, false};
    }
}

bool sameRun(const RunRow &a, const RunRow &b)
{
    return a.id == b.id && a.name == b.name && a.status == b.status && a.note == b.note && a.message == b.message && a.archived == b.archived
        && a.tags == b.tags && a.seconds == b.seconds && a.metrics == b.metrics && a.config == b.config;
}

} // namespace

bool RunItem::isStarred() const
{
    return cells[RunColumns::Star].number > 0;
}

QStringList visibleTags(const RunRow &run)
{
    QStringList tags;
    for (const std::string &tag : run.tags) {
        if (tag != starTag)
            tags << QString::fromStdString(tag);
    }
    return tags;
}

QStringList tagsFromText(const QString &text)
{
    QStringList tags;
    for (const QString &part : text.split(QLatin1Char(','))) {
        if (const QString tag = part.simplified(); !tag.isEmpty())
            tags << tag;
    }
    tags.removeDuplicates();
    return tags;
}

RunItems makeRunItems(const std::vector<RunRow> &runs, const std::shared_ptr<const void> &owner, const RunItems &before)
{
    RunItems items;
    items.reserve(runs.size());
    auto known = before.begin(); // both newest first
    for (const RunRow &run : runs) {
        auto item = std::make_shared<RunItem>();
        item->run = std::shared_ptr<const RunRow>(owner, &run);
        while (known != before.end() && (*known)->run->id > run.id)
            ++known;
        const bool there = known != before.end() && (*known)->run->id == run.id;
        const bool same = there && sameRun(*(*known)->run, run);
        if (same) {
            item->cells = (*known)->cells;
        } else {
            for (int column = 0; column < RunColumns::ColumnCount; ++column)
                item->cells[static_cast<std::size_t>(column)] = cellOf(column, run);
        }
        if (there)
            item->version = (*known)->version + (same ? 0 : 1);
        items.push_back(std::move(item));
    }
    return items;
}

RunsModel::RunsModel(QObject *parent) : QAbstractTableModel(parent) {}

void RunsModel::update(const std::vector<RunRow> &runs)
{
    const auto copy = std::make_shared<const std::vector<RunRow>>(runs);
    update(makeRunItems(*copy, copy, m_items));
}

void RunsModel::update(RunItems items)
{
    const auto idAt = [](const RunItems &list, std::size_t at) {
        return at < list.size() ? list[at]->run->id : std::numeric_limits<std::int64_t>::min();
    };
    // Both are newest first: one merge finds the blocks of rows that came and went.
    std::size_t row = 0;
    for (std::size_t next = 0; row < m_items.size() || next < items.size();) {
        const std::int64_t here = idAt(m_items, row), there = idAt(items, next);
        if (here == there) {
            const bool changed = m_items[row]->version != items[next]->version;
            m_items[row] = items[next]; // an unchanged run too: the earlier snapshot can go
            if (changed)
                Q_EMIT dataChanged(index(static_cast<int>(row), 0), index(static_cast<int>(row), ColumnCount - 1));
            ++row, ++next;
        } else if (here > there) {
            std::size_t end = row + 1;
            while (end < m_items.size() && idAt(m_items, end) > there)
                ++end;
            beginRemoveRows({}, static_cast<int>(row), static_cast<int>(end) - 1);
            m_items.erase(m_items.begin() + static_cast<std::ptrdiff_t>(row), m_items.begin() + static_cast<std::ptrdiff_t>(end));
            endRemoveRows();
        } else {
            std::size_t end = next + 1;
            while (end < items.size() && idAt(items, end) > here)
                ++end;
            beginInsertRows({}, static_cast<int>(row), static_cast<int>(row + end - next) - 1);
            m_items.insert(m_items.begin() + static_cast<std::ptrdiff_t>(row), items.begin() + static_cast<std::ptrdiff_t>(next),
                           items.begin() + static_cast<std::ptrdiff_t>(end));
            endInsertRows();
            row += end - next;
            next = end;
        }
    }
}

int RunsModel::rowCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_items.size());
}

int RunsModel::columnCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : ColumnCount;
}

QVariant RunsModel::data(const QModelIndex &index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid))
        return {};
    const RunItem &item = *m_items[static_cast<std::size_t>(index.row())];
    const RunItem::Cell &cell = item.cell(index.column());
    switch (role) {
    case Qt::DisplayRole:
    case Qt::EditRole: return cell.text;
    case SortRole: return cell.isNumber ? QVariant(cell.number) : QVariant(cell.text);
    case Qt::TextAlignmentRole: {
        const Qt::Alignment side = index.column() == Star ? Qt::AlignHCenter : infoOf(index.column()).words || index.column() == Started ? Qt::AlignLeft : Qt::AlignRight;
        return QVariant::fromValue(Qt::AlignVCenter | side);
    }
    case Qt::ForegroundRole:
        if (item.run->archived || (index.column() == Star && !item.isStarred()))
            return QGuiApplication::palette().color(QPalette::PlaceholderText);
        return {};
    case Qt::ToolTipRole:
        if (item.run->status == RunStatus::Failed)
            return QString::fromStdString(item.run->message);
        return index.column() == Note ? cell.text : QString::fromStdString(item.run->command);
    case Qt::AccessibleTextRole:
        if (index.column() == Star)
            return item.isStarred() ? tr("starred") : tr("not starred");
        return QStringLiteral("%1 %2").arg(headerData(index.column(), Qt::Horizontal).toString(), cell.text);
    default: return {};
    }
}

QVariant RunsModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || section < 0 || section >= ColumnCount)
        return {};
    const ColumnInfo &info = infoOf(section);
    switch (role) {
    case Qt::DisplayRole: return tr(info.title);
    case Qt::ToolTipRole: return *info.hint ? tr(info.hint) : QString();
    case Qt::AccessibleTextRole: return section == Star ? tr("starred") : tr(info.title);
    case Qt::InitialSortOrderRole: return QVariant::fromValue(info.words || info.smallIsGood ? Qt::AscendingOrder : Qt::DescendingOrder);
    default: return {};
    }
}

Qt::ItemFlags RunsModel::flags(const QModelIndex &index) const
{
    const Qt::ItemFlags flags = QAbstractTableModel::flags(index);
    return index.column() == Note || index.column() == Tags ? flags | Qt::ItemIsEditable : flags;
}

bool RunsModel::setData(const QModelIndex &index, const QVariant &value, int role)
{
    if (role != Qt::EditRole || !checkIndex(index, CheckIndexOption::IndexIsValid))
        return false;
    const RunRow &run = runAt(index.row());
    if (index.column() == Note && value.toString() != QString::fromStdString(run.note))
        Q_EMIT noteEdited(run.id, value.toString());
    else if (index.column() == Tags && tagsFromText(value.toString()) != visibleTags(run))
        Q_EMIT tagsEdited(run.id, tagsFromText(value.toString()));
    else if (index.column() == Star)
        Q_EMIT starToggled(run.id, value.toBool());
    return false; // the cell changes when the ledger has it
}

RunsOrder::RunsOrder(RunsModel *model, QObject *parent) : QSortFilterProxyModel(parent), m_model(model)
{
    setSourceModel(model);
    setSortRole(RunsModel::SortRole);
}

void RunsOrder::setMatching(std::optional<std::unordered_set<std::int64_t>> ids)
{
    if (ids == m_matching)
        return;
    const auto before = std::exchange(m_matching, std::move(ids));
    const auto changes = std::ranges::count_if(m_model->items(), [&](const auto &item) {
        const std::int64_t id = item->run->id;
        return (!before || before->contains(id)) != (!m_matching || m_matching->contains(id));
    });
    // Scattered rows come and go one by one, each with its signals: from some number on, ordering anew is faster. Both keep
    // the selection.
    constexpr std::ptrdiff_t fewRows = 64;
    if (changes > fewRows)
        invalidate();
    else
        invalidateFilter();
}

bool RunsOrder::filterAcceptsRow(int sourceRow, const QModelIndex &) const
{
    return !m_matching || m_matching->contains(m_model->runAt(sourceRow).id);
}

bool RunsOrder::lessThan(const QModelIndex &left, const QModelIndex &right) const
{
    const auto &items = m_model->items();
    const RunItem &a = *items[static_cast<std::size_t>(left.row())], &b = *items[static_cast<std::size_t>(right.row())];
    const RunItem::Cell &x = a.cell(left.column()), &y = b.cell(left.column());
    if (x.text.isEmpty() != y.text.isEmpty())
        return x.text.isEmpty() == (sortOrder() == Qt::DescendingOrder); // last in both orders
    if (x.isNumber != y.isNumber)
        return x.isNumber;
    if (x.isNumber && x.number != y.number)
        return x.number < y.number;
    if (const int order = x.isNumber ? 0 : x.text.compare(y.text, Qt::CaseInsensitive); order != 0)
        return order < 0;
    return a.run->id < b.run->id;
}

} // namespace retoscope
