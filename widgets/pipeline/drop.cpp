// SPDX-License-Identifier: GPL-3.0-or-later
#include "pipeline/drop.h"

#include "pipeline/work_dialog.h"
#include "shell/session.h"

#include <QDir>
#include <QFileInfo>

namespace retoscope {

namespace {

bool isModel(const QFileInfo &info)
{
    if (info.isDir())
        return QFileInfo::exists(info.filePath() + QStringLiteral("/config.json"));
    return info.suffix().compare(QLatin1String("bin"), Qt::CaseInsensitive) == 0;
}

bool isText(const QFileInfo &info)
{
    if (info.isDir())
        return true;
    QString name = info.fileName().toLower();
    if (name.endsWith(QLatin1String(".gz")))
        name.chop(3);
    static const QStringList suffixes = {QStringLiteral("txt"), QStringLiteral("text"), QStringLiteral("md"), QStringLiteral("rst"), QStringLiteral("tokens"),
                                         QStringLiteral("raw"), QStringLiteral("jsonl"), QStringLiteral("html"), QStringLiteral("htm")};
    return suffixes.contains(QFileInfo(name).suffix());
}

std::string nameOf(const QFileInfo &info)
{
    QString name = info.isDir() ? info.fileName() : info.baseName();
    return (name.isEmpty() ? QStringLiteral("texts") : name).toStdString();
}

} // namespace

std::optional<Work> workForDrop(const QList<QUrl> &urls)
{
    QList<QFileInfo> files;
    for (const QUrl &url : urls) {
        if (!url.isLocalFile())
            return std::nullopt;
        // A folder's path may end with a slash.
        files << QFileInfo(QDir::cleanPath(url.toLocalFile()));
        if (!files.last().exists())
            return std::nullopt;
    }
    if (files.isEmpty())
        return std::nullopt;
    const QFileInfo &first = files.first();
    const std::string firstPath = first.absoluteFilePath().toStdString();
    if (files.size() == 1 && isModel(first))
        return Work{WorkKind::AddModel, {{"path", firstPath}, {"name", nameOf(first)}}};
    if (files.size() == 1 && first.suffix() == QLatin1String("json")) {
        try {
            static_cast<void>(readProjectDescription(firstPath));
            return Work{WorkKind::RunProject, {{"projectfile", firstPath}}};
        } catch (const std::exception &) {
            return std::nullopt; // some other JSON file
        }
    }
    Work work{WorkKind::AddCorpus, {{"name", nameOf(first)}, {"split", "train=0.8,validation=0.1,test=0.1"}}};
    for (const QFileInfo &file : files) {
        if (!isText(file))
            return std::nullopt;
        work.values["paths"].push_back(file.absoluteFilePath().toStdString());
    }
    return work;
}

bool offerDrop(Session &session, const QList<QUrl> &urls, QWidget *parent)
{
    const auto work = session.projectFolder().empty() ? std::nullopt : workForDrop(urls);
    if (!work)
        return false;
    WorkDialog::open(session, *work, parent);
    return true;
}

} // namespace retoscope
