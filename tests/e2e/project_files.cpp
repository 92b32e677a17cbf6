// SPDX-License-Identifier: GPL-3.0-or-later
#include "e2e/project_files.h"

#include "base/error.h"
#include "base/job.h"
#include "base/manifest.h"

#include <QCryptographicHash>
#include <QDir>
#include <QDirIterator>
#include <QFile>

#include <sqlite3.h>

#include <memory>

namespace {

using retoscope::Json;

/// The rows of a query on the project's ledger, columns joined by a space.
QStringList query(const QString &project, const char *sql)
{
    sqlite3 *opened = nullptr;
    const QByteArray file = (project + QStringLiteral("/ledger.sqlite")).toUtf8();
    const int code = sqlite3_open_v2(file.constData(), &opened, SQLITE_OPEN_READWRITE, nullptr);
    const std::unique_ptr<sqlite3, decltype(&sqlite3_close_v2)> database(opened, &sqlite3_close_v2);
    if (code != SQLITE_OK)
        return {QStringLiteral("cannot be opened")};
    QStringList rows;
    char *error = nullptr;
    const auto addRow = [](void *list, int columns, char **values, char **) {
        QStringList cells;
        for (int i = 0; i < columns; ++i)
            cells << QString::fromUtf8(values[i]);
        static_cast<QStringList *>(list)->append(cells.join(QLatin1Char(' ')));
        return 0;
    };
    if (sqlite3_exec(database.get(), sql, addRow, &rows, &error) != SQLITE_OK) {
        rows << QString::fromUtf8(error);
        sqlite3_free(error);
    }
    return rows;
}

QByteArray contentOf(const QString &path)
{
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

/// Rates and times differ from run to run.
void dropTimes(Json &json)
{
    if (json.is_object()) {
        for (const char *name : {"tokens_per_second", "seconds"})
            json.erase(name);
    }
    if (json.is_structured()) {
        for (Json &child : json)
            dropTimes(child);
    }
}

QByteArray withoutTimes(const QString &name, const QByteArray &content)
{
    if (name != QLatin1String("manifest.json") && name != QLatin1String("training.json"))
        return content;
    Json json = Json::parse(content.constData(), content.constData() + content.size(), nullptr, false);
    if (json.is_object()) {
        json.erase("info");
        json.erase("checksum"); // of the info too
    }
    dropTimes(json);
    return QByteArray::fromStdString(json.dump());
}

} // namespace

bool copyFolder(const QString &from, const QString &to)
{
    std::error_code code;
    std::filesystem::copy(from.toStdString(), to.toStdString(), std::filesystem::copy_options::recursive, code);
    return !code;
}

QMap<QString, QByteArray> artefactFiles(const QString &project)
{
    QMap<QString, QByteArray> files;
    const QString root = project + QStringLiteral("/artefacts");
    for (QDirIterator entry(root, QDir::Files | QDir::Hidden, QDirIterator::Subdirectories); entry.hasNext();) {
        const QString path = entry.next(), name = entry.fileName();
        if (name != QLatin1String(".lock"))
            files[QDir(root).relativeFilePath(path)] = QCryptographicHash::hash(withoutTimes(name, contentOf(path)), QCryptographicHash::Sha256).toHex();
    }
    return files;
}

QStringList differences(const QMap<QString, QByteArray> &expected, const QMap<QString, QByteArray> &actual)
{
    QStringList lines;
    for (auto file = expected.begin(); file != expected.end(); ++file) {
        if (!actual.contains(file.key()))
            lines << QStringLiteral("missing: ") + file.key();
        else if (actual[file.key()] != file.value())
            lines << QStringLiteral("different: ") + file.key();
    }
    for (auto file = actual.begin(); file != actual.end(); ++file) {
        if (!expected.contains(file.key()))
            lines << QStringLiteral("too many: ") + file.key();
    }
    return lines;
}

QStringList halfWrittenArtefacts(const QString &project)
{
    QStringList problems;
    for (QDirIterator entry(project + QStringLiteral("/artefacts"), {QStringLiteral("manifest.json")}, QDir::Files, QDirIterator::Subdirectories); entry.hasNext();) {
        const QByteArray text = contentOf(entry.next());
        const std::filesystem::path folder = entry.fileInfo().absolutePath().toStdString();
        try {
            const Json json = Json::parse(text.constData(), text.constData() + text.size());
            const auto manifest = retoscope::readManifest(folder, json.at("format").get<std::string>(), json.at("version").get<int>());
            retoscope::JobControl job;
            for (const std::string &problem : retoscope::verifyFiles(manifest, folder, job))
                problems << QString::fromStdString(problem);
        } catch (const std::exception &error) {
            problems << QString::fromUtf8(error.what());
        }
    }
    for (const QString &folder : query(project, "SELECT folder FROM artefact WHERE state = 'ready' AND deleted_ms = 0")) {
        const QDir place(QDir(project).absoluteFilePath(folder));
        if (!place.exists(QStringLiteral("manifest.json")) && !place.exists(QStringLiteral("model.safetensors")))
            problems << QStringLiteral("the ledger calls %1 ready").arg(folder);
    }
    return problems;
}

QStringList ledgerProblems(const QString &project)
{
    QStringList problems = query(project, "PRAGMA integrity_check");
    problems.removeAll(QStringLiteral("ok"));
    problems += query(project, "PRAGMA foreign_key_check");
    problems += query(project, "SELECT 'curve without points', id FROM curve WHERE json_extract(data, '$.series') IS NULL");
    problems += query(project, "SELECT 'run of no curve', id FROM run WHERE series IS NOT NULL AND series NOT IN (SELECT id FROM curve)");
    return problems;
}

QStringList unfinishedRows(const QString &project)
{
    return query(project, "SELECT kind, name, state FROM artefact WHERE state <> 'ready' AND deleted_ms = 0") + query(project, "SELECT 'job', id, kind FROM job WHERE state = 'running'")
        + query(project, "SELECT 'run', id FROM run WHERE status = 'running'");
}

bool shiftTimes(const QString &project, qint64 milliseconds)
{
    const QByteArray by = QByteArray::number(milliseconds);
    const QByteArray sql = "UPDATE artefact SET created_ms = created_ms + " + by + ", finished_ms = finished_ms + " + by + "; UPDATE job SET started_ms = started_ms + " + by
        + ", ended_ms = ended_ms + " + by + "; UPDATE run SET started_ms = started_ms + " + by;
    return query(project, sql.constData()).isEmpty();
}
