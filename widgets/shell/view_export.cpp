// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/view_export.h"

#include "base/error.h"
#include "shell/app_settings.h"
#include "shell/main_window.h"
#include "shell/session.h"
#include "shell/trace_choice.h"
#include "shell/view.h"
#include "shell/workspace.h"
#include "trace/measures.h"

#include <QDeadlineTimer>
#include <QDir>
#include <QEventLoop>
#include <QFileDialog>
#include <QFileInfo>
#include <QStandardPaths>
#include <QTemporaryDir>
#include <QTimer>

#include <algorithm>
#include <functional>
#include <memory>

namespace retoscope {

namespace {

constexpr int pollMs = 20;
constexpr int settledPolls = 3; // in a row: a view may ask once more after its first answer
const QString wholeWindow = QStringLiteral("window");

QString nameOfSuffix(const QString &suffix)
{
    static const QHash<QString, QString> names = {{QStringLiteral("pdf"), QStringLiteral("PDF figure")},    {QStringLiteral("svg"), QStringLiteral("SVG figure")},
                                                  {QStringLiteral("png"), QStringLiteral("PNG picture")},   {QStringLiteral("csv"), QStringLiteral("CSV table")},
                                                  {QStringLiteral("md"), QStringLiteral("Markdown table")}, {QStringLiteral("tex"), QStringLiteral("LaTeX table")}};
    return names.value(suffix, suffix.toUpper());
}

/// Runs the event loop until `ready` holds. Throws when the deadline passes first.
void waitFor(const QDeadlineTimer &deadline, const char *what, const std::function<bool()> &ready)
{
    QEventLoop loop;
    QTimer poll;
    QObject::connect(&poll, &QTimer::timeout, &loop, [&] {
        if (ready() || deadline.hasExpired())
            loop.quit();
    });
    poll.start(pollMs);
    if (!ready())
        loop.exec();
    if (!ready())
        fail(ErrorKind::Resource, "{} took too long; open the project in the window to see what it is waiting for.", what);
}

/// Gathers what goes wrong in the background, where no exception comes from.
class Failures : public QObject
{
public:
    explicit Failures(Session &session)
    {
        connect(&session, &Session::failed, this, [this](const QString &sentence) { m_first = m_first.isEmpty() ? sentence : m_first; });
        connect(&session, &Session::projectUnavailable, this, [this](const QString &sentence) { m_first = m_first.isEmpty() ? sentence : m_first; });
    }
    [[nodiscard]] bool any() const { return !m_first.isEmpty(); }
    void throwAny() const
    {
        if (any())
            fail(ErrorKind::BadInput, "{}", m_first.toStdString());
    }

private:
    QString m_first;
};

EvaluationSettings merged(const std::optional<EvaluationSettings> &base, const QString &changes)
{
    Json json = base.value_or(EvaluationSettings{});
    if (changes.isEmpty())
        return json.get<EvaluationSettings>();
    const Json wanted = Json::parse(changes.toStdString(), nullptr, false);
    if (!wanted.is_object())
        fail(ErrorKind::Usage, "--settings {}: write a JSON object, for example {{\"lambda\": 0.3}}.", changes.toStdString());
    json.merge_patch(wanted);
    return json.get<EvaluationSettings>();
}

/// The project and its newest trace, evaluated, with a token to look at. Without a trace only the project.
void openAll(Session &session, const ExportRequest &request, const QDeadlineTimer &deadline, const Failures &failures)
{
    session.openProject(request.project.toStdString());
    waitFor(deadline, "Reading the project", [&] { return session.project() || failures.any(); });
    failures.throwAny();
    const auto traces = readyTraces(*session.project());
    if (traces.empty())
        return;
    const auto clusters = readyClusters(*session.project(), traces.front());
    session.openTrace(QString::fromStdString(traces.front().name), clusters.empty() ? QString() : QString::fromStdString(clusters.front().name),
                      merged(settingsToBeginWith(*session.project(), traces.front()), request.settings));
    waitFor(deadline, "Replaying the trace", [&] { return session.evaluation() || failures.any(); });
    failures.throwAny();
}

void chooseToken(Session &session, std::int64_t wanted)
{
    if (!session.evaluation())
        return;
    if (wanted >= session.selection().count())
        fail(ErrorKind::Usage, "--position {}: the trace has {} positions, counted from 0.", wanted, session.selection().count());
    if (wanted < 0) {
        const auto most = landmarks(Landmark::MostHelped, session.trace()->trace().arrays(), session.evaluation()->result, 1);
        if (most.empty())
            return;
        wanted = most.front();
    }
    session.selection().lock(Position(wanted));
}

void waitUntilSettled(const QList<View *> &views, const QDeadlineTimer &deadline)
{
    int quiet = 0;
    waitFor(deadline, "Drawing", [&] {
        quiet = std::ranges::all_of(views, [](const View *view) { return view->isSettled(); }) ? quiet + 1 : 0;
        return quiet > settledPolls;
    });
}

void exportWindow(const ExportRequest &request, const std::vector<ViewEntry> &views, const QDeadlineTimer &deadline)
{
    if (QFileInfo(request.file).suffix().toLower() != QLatin1String("png"))
        fail(ErrorKind::Usage, "{}: the whole window is written as .png.", request.file.toStdString());
    const QTemporaryDir scratch;
    AppSettings settings(scratch.filePath(QStringLiteral("settings.ini")));
    settings.setLayout(request.layout);
    MainWindow window(settings, views);
    const Failures failures(window.session());
    if (!request.description.isEmpty())
        window.session().setDescription(request.description.toStdString());
    window.resize(request.size);
    window.QWidget::show();
    openAll(window.session(), request, deadline, failures);
    chooseToken(window.session(), request.position);
    waitUntilSettled(window.workspace().madeViews(), deadline);
    if (!window.grab().save(request.file))
        fail(ErrorKind::Io, "Cannot write {}; choose another folder.", request.file.toStdString());
}

} // namespace

QString exportFilter(const QStringList &suffixes)
{
    QStringList filters;
    for (const QString &suffix : suffixes)
        filters << QStringLiteral("%1 (*.%2)").arg(nameOfSuffix(suffix), suffix);
    return filters.join(QStringLiteral(";;"));
}

QString exportWithDialog(View &view, QWidget *parent)
{
    const QStringList suffixes = view.exportSuffixes();
    const QString folder = QStandardPaths::writableLocation(QStandardPaths::DocumentsLocation);
    QString chosenFilter;
    QString file = QFileDialog::getSaveFileName(parent, QObject::tr("Export “%1”").arg(view.title()), QDir(folder).filePath(view.id() + QLatin1Char('.') + suffixes.value(0)),
                                                exportFilter(suffixes), &chosenFilter);
    if (file.isEmpty())
        return {};
    if (QFileInfo(file).suffix().isEmpty())
        file += QLatin1Char('.') + suffixes.value(std::max<qsizetype>(0, exportFilter(suffixes).split(QStringLiteral(";;")).indexOf(chosenFilter)));
    try {
        view.exportTo(file, view.size());
    } catch (const Error &error) {
        return QString::fromUtf8(error.what());
    }
    return {};
}

void exportHeadless(const ExportRequest &request, const std::vector<ViewEntry> &views)
{
    const QDeadlineTimer deadline(std::chrono::seconds(request.limitSeconds));
    if (request.view == wholeWindow) {
        exportWindow(request, views, deadline);
        return;
    }
    const auto entry = std::ranges::find(views, request.view, &ViewEntry::id);
    if (entry == views.end()) {
        QStringList ids{wholeWindow};
        for (const ViewEntry &view : views)
            ids << view.id;
        fail(ErrorKind::NotFound, "There is no view “{}”; the views are {}.", request.view.toStdString(), ids.join(QStringLiteral(", ")).toStdString());
    }
    Session session;
    if (!request.description.isEmpty())
        session.setDescription(request.description.toStdString());
    const Failures failures(session);
    openAll(session, request, deadline, failures);
    const std::unique_ptr<View> view(entry->make(session));
    view->setAttribute(Qt::WA_DontShowOnScreen); // visible to itself: hidden views put off their work
    view->resize(request.size);
    view->QWidget::show();
    chooseToken(session, request.position);
    waitUntilSettled({view.get()}, deadline);
    failures.throwAny();
    if (!view->showsContent())
        fail(ErrorKind::NotFound, "There is nothing to export yet: {}", view->noticeText().toStdString());
    view->exportTo(request.file, request.size);
}

} // namespace retoscope
