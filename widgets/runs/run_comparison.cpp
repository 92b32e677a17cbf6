// SPDX-License-Identifier: GPL-3.0-or-later
#include "runs/run_comparison.h"

#include "ledger/run_table.h"
#include "runs/runs_model.h"

#include <QDateTime>
#include <QFont>
#include <QGuiApplication>
#include <QLocale>
#include <QPalette>

#include <algorithm>

namespace retoscope {

namespace {

constexpr int fingerprintShown = 12; // hexadecimal digits that tell artefacts apart

QString fullText(const Json &value)
{
    if (value.is_null())
        return {};
    if (value.is_boolean())
        return value.get<bool>() ? RunComparison::tr("yes") : RunComparison::tr("no");
    return QString::fromStdString(value.is_string() ? value.get<std::string>() : value.dump());
}

QString shortText(const QString &name, const Json &value)
{
    const QLocale locale;
    if (value == "inf")
        return QStringLiteral("∞");
    if (value.is_number_float())
        return locale.toString(value.get<double>(), 'g', 6);
    if (value.is_number_integer())
        return locale.toString(static_cast<qlonglong>(value.get<std::int64_t>()));
    const QString text = fullText(value);
    return name.endsWith(QLatin1String("fingerprint")) ? text.left(fingerprintShown) : text;
}

/// Collects the fields of one section in the order in which they first appear.
class Section
{
public:
    Section(const QString &name, std::size_t runs, std::vector<ComparedField> &fields) : m_name(name), m_runs(runs), m_fields(fields), m_first(fields.size()) {}

    void set(std::size_t run, const QString &name, const Json &value)
    {
        auto found = std::find_if(m_fields.begin() + static_cast<std::ptrdiff_t>(m_first), m_fields.end(), [&](const ComparedField &field) { return field.name == name; });
        if (found == m_fields.end()) {
            const QStringList empty(static_cast<qsizetype>(m_runs), QString());
            m_fields.push_back({m_name, name, empty, empty, false});
            found = std::prev(m_fields.end());
        }
        found->values[static_cast<qsizetype>(run)] = shortText(name, value);
        found->fullValues[static_cast<qsizetype>(run)] = fullText(value);
    }

    /// Every leaf of `json` under its dotted path.
    void setAll(std::size_t run, const QString &prefix, const Json &json)
    {
        for (const auto &[key, value] : json.items()) {
            const QString name = prefix + QString::fromStdString(key);
            if (value.is_object())
                setAll(run, name + QLatin1Char('.'), value);
            else
                set(run, name, value);
        }
    }

private:
    QString m_name;
    std::size_t m_runs;
    std::vector<ComparedField> &m_fields;
    std::size_t m_first;
};

void addRecord(Section &section, std::size_t at, const RunRow &run)
{
    section.set(at, RunComparison::tr("name"), run.name);
    section.set(at, RunComparison::tr("status"), std::string(toString(run.status)));
    if (!run.message.empty())
        section.set(at, RunComparison::tr("message"), run.message);
    section.set(at, RunComparison::tr("started"), QLocale().toString(QDateTime::fromMSecsSinceEpoch(run.startedMs), QLocale::ShortFormat).toStdString());
    section.set(at, RunComparison::tr("seconds"), run.seconds);
    if (!run.tags.empty())
        section.set(at, RunComparison::tr("tags"), visibleTags(run).join(QStringLiteral(", ")).toStdString());
    if (!run.note.empty())
        section.set(at, RunComparison::tr("note"), run.note);
    section.set(at, RunComparison::tr("command"), run.command);
}

} // namespace

std::vector<ComparedField> compareRuns(const std::vector<std::shared_ptr<const RunRow>> &runs)
{
    std::vector<ComparedField> fields;
    const auto addSection = [&](const QString &name, auto add) {
        Section section(name, runs.size(), fields);
        for (std::size_t i = 0; i < runs.size(); ++i)
            add(section, i, *runs[i]);
    };
    addSection(RunComparison::tr("Result"), [](Section &section, std::size_t i, const RunRow &run) {
        for (const char *leading : {"perplexity", "foss", "searches"}) {
            if (run.metrics.contains(leading))
                section.set(i, QString::fromLatin1(leading), run.metrics[leading]);
        }
        section.setAll(i, {}, run.metrics);
    });
    addSection(RunComparison::tr("Settings"), [](Section &section, std::size_t i, const RunRow &run) {
        Json settings = run.config;
        settings.erase("artefacts");
        section.setAll(i, {}, settings);
    });
    addSection(RunComparison::tr("Artefacts"), [](Section &section, std::size_t i, const RunRow &run) {
        section.setAll(i, {}, run.config.value("artefacts", Json::object()));
    });
    addSection(RunComparison::tr("Environment"), [](Section &section, std::size_t i, const RunRow &run) { section.setAll(i, {}, run.environment); });
    addSection(RunComparison::tr("Record"), addRecord);
    for (ComparedField &field : fields)
        field.differs = std::ranges::any_of(field.fullValues, [&](const QString &value) { return value != field.fullValues.front(); });
    return fields;
}

void RunComparison::setRuns(std::vector<std::shared_ptr<const RunRow>> runs)
{
    m_runs = std::move(runs);
    rebuild();
}

void RunComparison::setOnlyDifferences(bool only)
{
    m_onlyDifferences = only;
    rebuild();
}

void RunComparison::rebuild()
{
    beginResetModel(); // another selection: nothing of the old table is worth keeping
    m_fields = compareRuns(m_runs);
    m_rows.clear();
    const bool filtered = m_onlyDifferences && m_runs.size() > 1;
    for (const ComparedField &field : m_fields) {
        if (filtered && !field.differs && field.section != tr("Result"))
            continue;
        if (m_rows.empty() || m_rows.back().section != field.section)
            m_rows.push_back({nullptr, field.section});
        m_rows.push_back({&field, field.section});
    }
    endResetModel();
}

int RunComparison::rowCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_rows.size());
}

int RunComparison::columnCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_runs.size()) + 1;
}

QVariant RunComparison::data(const QModelIndex &index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid))
        return {};
    const Row &row = m_rows[static_cast<std::size_t>(index.row())];
    const bool marked = row.field && row.field->differs && m_runs.size() > 1;
    switch (role) {
    case Qt::DisplayRole:
        if (!row.field)
            return index.column() == 0 ? row.section : QString();
        return index.column() == 0 ? row.field->name : row.field->values[index.column() - 1];
    case Qt::ToolTipRole: return !row.field || index.column() == 0 ? QVariant() : row.field->fullValues[index.column() - 1];
    case Qt::FontRole: {
        QFont font;
        font.setBold(!row.field || (marked && index.column() > 0));
        return font;
    }
    case Qt::ForegroundRole:
        return row.field && index.column() == 0 ? QGuiApplication::palette().color(QPalette::PlaceholderText) : QVariant();
    case Qt::AccessibleTextRole:
        return marked && index.column() > 0 ? tr("%1, differs").arg(row.field->values[index.column() - 1]) : QVariant();
    default: return {};
    }
}

QVariant RunComparison::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole || section < 0 || section >= columnCount())
        return {};
    return section == 0 ? QString() : tr("run %1").arg(m_runs[static_cast<std::size_t>(section) - 1]->id);
}

} // namespace retoscope
