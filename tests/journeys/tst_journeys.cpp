// SPDX-License-Identifier: GPL-3.0-or-later
// What a user does from the first start on, with mouse and keys, on a project that is built on the way. The journeys follow
// one another: each goes on with what the one before it has made.
#include "e2e/cli_process.h"
#include "journeys/journey_project.h"

#include "base/error.h"
#include "explore/token_text_area.h"
#include "ledger/project.h"
#include "plot/theme.h"
#include "shell/app_settings.h"
#include "shell/command_registry.h"
#include "shell/guided_tour.h"
#include "shell/main_window.h"
#include "shell/trace_choice.h"
#include "shell/view.h"
#include "shell/view_export.h"
#include "shell/workspace.h"

#include <QApplication>
#include <QClipboard>
#include <QDir>
#include <QElapsedTimer>
#include <QFileInfo>
#include <QLineEdit>
#include <QMessageBox>
#include <QProcess>
#include <QPushButton>
#include <QSlider>
#include <QTableView>
#include <QTemporaryDir>
#include <QTimer>
#include <QToolButton>
#include <QtTest>

#include <algorithm>
#include <memory>

using namespace retoscope;

namespace {

constexpr int buildTimeoutMs = 600'000, answerTimeoutMs = 30'000;

/// Longest time for which the event loop did not turn.
class GuiWatch : public QObject
{
public:
    GuiWatch()
    {
        m_clock.start();
        connect(&m_timer, &QTimer::timeout, this, [this] {
            m_longest = std::max(m_longest, m_clock.restart());
        });
        m_timer.start(1);
    }
    [[nodiscard]] qint64 longestMs() const { return m_longest; }

private:
    QElapsedTimer m_clock;
    QTimer m_timer;
    qint64 m_longest = 0;
};

} // namespace

class TestJourneys : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void theFirstStartBuildsEverything();
    void aClickedTokenIsOpened();
    void theAutomatonIsStepped();
    void slidersMoveEverythingAndASettingBecomesARun();
    void twoSettingsAreCompared();
    void runsAreFilteredAndTheirCommandCopied();
    void everyViewIsExported();
    void aBuildThatWasStoppedOrKilledGoesOn();
    void cleanupTestCase() { m_window.reset(); }

private:
    void openWindow(const QString &project);
    [[nodiscard]] QWidget *inView(const QString &view, const char *objectName);
    [[nodiscard]] View *shown(const QString &view) { return m_window->workspace().showView(view); }
    [[nodiscard]] bool runCommand(const char *id) { return m_window->commands().run(QString::fromLatin1(id)); }
    [[nodiscard]] bool waitUntilIdle(int timeoutMs = buildTimeoutMs);
    [[nodiscard]] bool waitUntilSettled();
    void photograph(const char *name);

    Session &session() { return m_window->session(); }

    QTemporaryDir m_folder;
    QString m_description, m_project;
    std::unique_ptr<AppSettings> m_settings;
    std::unique_ptr<MainWindow> m_window;
    bool m_built = false;
};

#define NEEDS_THE_BUILT_PROJECT                                                                                                                    \
    if (!m_built)                                                                                                                                  \
    QSKIP("the first journey has not built the project")

void TestJourneys::initTestCase()
{
    QLocale::setDefault(QLocale(QLocale::English, QLocale::UnitedStates));
    QApplication::setApplicationName(QStringLiteral("retoscope-journeys"));
    applyTheme(*qApp, Theme::Light);
    m_description = writeJourneyDescription(m_folder.path());
    QVERIFY(!m_description.isEmpty());
    m_project = m_folder.filePath(QStringLiteral("first"));
    Project::create(m_project.toStdString());
    m_settings = std::make_unique<AppSettings>(m_folder.filePath(QStringLiteral("settings.ini")));
}

void TestJourneys::openWindow(const QString &project)
{
    m_window.reset(); // the one before
    m_window = std::make_unique<MainWindow>(*m_settings);
    m_window->resize(1280, 800);
    m_window->QWidget::show();
    m_window->activateWindow();
    m_window->openProject(project.toStdString(), m_description.toStdString());
    m_window->startTourOnce();
}

QWidget *TestJourneys::inView(const QString &view, const char *objectName)
{
    View *found = m_window->workspace().view(view);
    return found ? found->findChild<QWidget *>(QString::fromLatin1(objectName)) : nullptr;
}

bool TestJourneys::waitUntilIdle(int timeoutMs)
{
    return QTest::qWaitFor([this] { return !session().jobs().isBusy(); }, timeoutMs);
}

bool TestJourneys::waitUntilSettled()
{
    return QTest::qWaitFor([this] { return std::ranges::all_of(m_window->workspace().madeViews(), [](const View *view) { return view->isSettled(); }); }, answerTimeoutMs);
}

void TestJourneys::photograph(const char *name)
{
    const QString folder = qEnvironmentVariable("RETOSCOPE_SCREENSHOTS");
    if (folder.isEmpty())
        return;
    QDir().mkpath(folder);
    QVERIFY(m_window->grab().save(QStringLiteral("%1/%2.png").arg(folder, QString::fromLatin1(name))));
}

void TestJourneys::theFirstStartBuildsEverything()
{
    openWindow(m_project);
    QVERIFY(QTest::qWaitForWindowActive(m_window.get()));
    QTRY_VERIFY_WITH_TIMEOUT(session().project() != nullptr, answerTimeoutMs);
    QTRY_VERIFY(m_window->tour().isRunning()); // it points to Run all
    photograph("01-first-start");
    QTRY_VERIFY_WITH_TIMEOUT(inView(QStringLiteral("pipeline"), "runAll") && inView(QStringLiteral("pipeline"), "runAll")->isEnabled(), answerTimeoutMs);
    const GuiWatch watch;
    QTest::mouseClick(inView(QStringLiteral("pipeline"), "runAll"), Qt::LeftButton);
    QTRY_VERIFY_WITH_TIMEOUT(session().jobs().isBusy(), answerTimeoutMs);
    QTest::qWait(1500);
    photograph("02-building");
    QVERIFY(waitUntilIdle());
    qInfo("longest blocking of the window while everything was built: %lld ms", static_cast<long long>(watch.longestMs()));
    for (const JobInfo &job : session().jobs().jobs())
        QVERIFY2(job.state == JobInfo::State::Done, qPrintable(job.title + QStringLiteral(": ") + job.message));
    QTRY_VERIFY_WITH_TIMEOUT(session().evaluation() != nullptr, answerTimeoutMs); // the newest trace opens by itself
    QVERIFY(session().trace()->hasClusters());
    QCOMPARE(session().evaluation()->result.settings.method, Method::Retomaton);
    QTRY_VERIFY(m_window->tour().isRunning() && m_window->tour().step() == 0); // and the tour goes on with the text
    QVERIFY(waitUntilSettled());
    photograph("03-tour");
    m_window->tour().stop();
    m_built = true;
}

void TestJourneys::aClickedTokenIsOpened()
{
    NEEDS_THE_BUILT_PROJECT;
    auto *area = shown(QStringLiteral("text"))->findChild<TokenTextArea *>();
    QVERIFY(area);
    QTRY_VERIFY_WITH_TIMEOUT(area->isLaidOut(), answerTimeoutMs);
    const Position token(area->visiblePositions().first + 20);
    QTest::mouseClick(area->viewport(), Qt::LeftButton, {}, area->tokenRect(token).center());
    QCOMPARE(session().selection().primary(), token);
    const auto *neighbours = qobject_cast<QTableView *>(inView(QStringLiteral("neighbours"), "neighbourTable"));
    const auto *distributions = qobject_cast<QAbstractItemView *>(inView(QStringLiteral("distributions"), "distributionTable"));
    QVERIFY(neighbours && distributions);
    QTRY_VERIFY_WITH_TIMEOUT(neighbours->model()->rowCount() > 0 && distributions->model()->rowCount() > 0, answerTimeoutMs);
    QVERIFY(waitUntilSettled());
    photograph("04-token");
    QTest::keyClick(area, Qt::Key_Right);
    QCOMPARE(session().selection().primary(), Position(token.value + 1));
    QTest::keyClick(area, Qt::Key_P);
    QCOMPARE(session().selection().pinned().size(), 1u);
    QTest::keyClick(area, Qt::Key_Escape);
    QVERIFY(!session().selection().primary().valid());
    QVERIFY(runCommand("edit.undo")); // the choice of the token comes back
    QVERIFY(session().selection().primary().valid());
}

void TestJourneys::theAutomatonIsStepped()
{
    NEEDS_THE_BUILT_PROJECT;
    session().selection().lock(Position(10));
    QTest::keyClick(m_window.get(), Qt::Key_2, Qt::AltModifier);
    QCOMPARE(m_window->workspace().layout(), QStringLiteral("automaton"));
    QTRY_VERIFY_WITH_TIMEOUT(inView(QStringLiteral("automaton"), "automatonCanvas"), answerTimeoutMs);
    QVERIFY(waitUntilSettled());
    photograph("05-automaton");
    QVERIFY(runCommand("automaton.step"));
    QCOMPARE(session().selection().primary(), Position(11));
    QVERIFY(runCommand("automaton.next-search"));
    const Position search = session().selection().primary();
    QVERIFY(search.value > 11);
    QCOMPARE(int(session().evaluation()->result.searched[std::size_t(search.value)]), 1);
    QVERIFY(waitUntilSettled());
    photograph("06-next-search");
}

void TestJourneys::slidersMoveEverythingAndASettingBecomesARun()
{
    NEEDS_THE_BUILT_PROJECT;
    QTest::keyClick(m_window.get(), Qt::Key_3, Qt::AltModifier);
    QTRY_VERIFY_WITH_TIMEOUT(inView(QStringLiteral("sweep"), "lambda"), answerTimeoutMs);
    QVERIFY(waitUntilSettled());
    auto *slider = inView(QStringLiteral("sweep"), "lambda")->findChild<QSlider *>();
    QVERIFY(slider);
    const double before = session().settings().lambda;
    slider->setFocus();
    for (int i = 0; i < 5; ++i)
        QTest::keyClick(slider, Qt::Key_Right);
    QTRY_VERIFY_WITH_TIMEOUT(session().settings().lambda > before, answerTimeoutMs);
    QTRY_COMPARE_WITH_TIMEOUT(session().evaluation()->result.settings.lambda, session().settings().lambda, answerTimeoutMs);
    QVERIFY(waitUntilSettled());
    photograph("07-sliders");
    const std::size_t runs = session().project()->runs.size();
    QTest::mouseClick(inView(QStringLiteral("sweep"), "saveRun"), Qt::LeftButton);
    QTRY_VERIFY_WITH_TIMEOUT(session().project()->runs.size() == runs + 1, answerTimeoutMs);
    QVERIFY(session().project()->runs.front().command.starts_with("retoscope-cli evaluate"));
    QCOMPARE(session().project()->runs.front().config.value("lambda", 0.0), session().settings().lambda);
}

void TestJourneys::twoSettingsAreCompared()
{
    NEEDS_THE_BUILT_PROJECT;
    QVERIFY(runCommand("layout.explore"));
    QVERIFY(runCommand("compare.pin"));
    EvaluationSettings other = session().settings();
    other.lambda = 0.05;
    session().setSettings(other);
    QTRY_COMPARE_WITH_TIMEOUT(session().evaluation()->result.settings.lambda, 0.05, answerTimeoutMs);
    QVERIFY(session().comparison() && session().comparison()->result.settings.lambda > 0.05);
    QVERIFY(waitUntilSettled());
    const auto strips = m_window->workspace().view(QStringLiteral("text"))->findChildren<TokenTextArea *>();
    QVERIFY(std::ranges::count_if(strips, [](const TokenTextArea *strip) { return strip->isVisible(); }) == 2);
    photograph("08-compare");
    QVERIFY(runCommand("compare.clear"));
    QVERIFY(!session().comparison());
}

void TestJourneys::runsAreFilteredAndTheirCommandCopied()
{
    NEEDS_THE_BUILT_PROJECT;
    QTest::keyClick(m_window.get(), Qt::Key_4, Qt::AltModifier);
    QTRY_VERIFY_WITH_TIMEOUT(inView(QStringLiteral("runs"), "runFilter"), answerTimeoutMs);
    View *runs = m_window->workspace().view(QStringLiteral("runs"));
    auto *filter = qobject_cast<QLineEdit *>(inView(QStringLiteral("runs"), "runFilter"));
    auto *table = runs->findChild<QTableView *>(QStringLiteral("scrollingColumns"));
    QVERIFY(filter && table);
    QTRY_VERIFY_WITH_TIMEOUT(table->model()->rowCount() > 1, answerTimeoutMs);
    filter->setFocus();
    QTest::keyClicks(filter, QStringLiteral("method = base"));
    QTest::keyClick(filter, Qt::Key_Return);
    QTRY_COMPARE_WITH_TIMEOUT(table->model()->rowCount(), 1, answerTimeoutMs);
    QVERIFY(waitUntilSettled());
    photograph("09-runs");
    table->selectRow(0);
    QVERIFY(runCommand("runs.copy-the-command"));
    QVERIFY2(QApplication::clipboard()->text().startsWith(QStringLiteral("retoscope-cli ")), qPrintable(QApplication::clipboard()->text()));
    filter->clear();
}

void TestJourneys::everyViewIsExported()
{
    NEEDS_THE_BUILT_PROJECT;
    const QString pictures = qEnvironmentVariable("RETOSCOPE_SCREENSHOTS");
    for (const ViewEntry &entry : viewRegistry()) {
        ExportRequest request;
        request.view = entry.id;
        request.project = m_project;
        const std::unique_ptr<View> view(entry.make(session()));
        for (const QString &suffix : view->exportSuffixes()) {
            request.file = m_folder.filePath(entry.id + QLatin1Char('.') + suffix);
            try {
                exportHeadless(request, viewRegistry());
                QVERIFY2(QFileInfo(request.file).size() > 50, qPrintable(request.file));
            } catch (const Error &error) {
                // Only a view that has nothing to show yet may say so.
                QVERIFY2(QString::fromUtf8(error.what()).startsWith(QStringLiteral("There is nothing to export yet")), qPrintable(entry.id + QStringLiteral(": ") + QString::fromUtf8(error.what())));
            }
        }
        if (!pictures.isEmpty() && QFile::exists(m_folder.filePath(entry.id + QStringLiteral(".png"))))
            QFile::copy(m_folder.filePath(entry.id + QStringLiteral(".png")), QStringLiteral("%1/view-%2.png").arg(pictures, entry.id));
    }
}

void TestJourneys::aBuildThatWasStoppedOrKilledGoesOn()
{
    NEEDS_THE_BUILT_PROJECT;
    const QString project = m_folder.filePath(QStringLiteral("second"));
    Project::create(project.toStdString());
    const auto isBuildingTheDatastore = [this] {
        const auto &jobs = session().jobs().jobs();
        return std::ranges::any_of(jobs, [](const JobInfo &job) { return job.progress.stage.find("datastore") != std::string::npos && job.progress.done > 0; });
    };

    // Stopped by closing the window
    openWindow(project);
    QTRY_VERIFY_WITH_TIMEOUT(inView(QStringLiteral("pipeline"), "runAll") && inView(QStringLiteral("pipeline"), "runAll")->isEnabled(), answerTimeoutMs);
    QTest::mouseClick(inView(QStringLiteral("pipeline"), "runAll"), Qt::LeftButton);
    QVERIFY(QTest::qWaitFor(isBuildingTheDatastore, buildTimeoutMs));
    QTimer::singleShot(200, this, [] {
        auto *box = qobject_cast<QMessageBox *>(QApplication::activeModalWidget());
        QVERIFY(box);
        const auto buttons = box->buttons();
        const auto stop = std::ranges::find_if(buttons, [](const QAbstractButton *button) { return button->text().contains(QStringLiteral("Stop")); });
        QVERIFY(stop != buttons.end());
        (*stop)->click();
    });
    m_window->close();
    QTRY_VERIFY_WITH_TIMEOUT(!m_window->isVisible(), answerTimeoutMs);
    m_window.reset();

    // Killed in the middle
    if (!cliProgram().isEmpty()) {
        const auto process = startCli({QStringLiteral("run"), m_description, QStringLiteral("--project"), project});
        QByteArray said;
        QVERIFY(QTest::qWaitFor([&] { return (said += process->readAllStandardError()).contains("datastore"); }, buildTimeoutMs));
        QTest::qWait(300);
        process->kill();
        QVERIFY(process->waitForFinished());
    }

    // And it goes on to the end
    openWindow(project);
    QTRY_VERIFY_WITH_TIMEOUT(inView(QStringLiteral("pipeline"), "runAll") && inView(QStringLiteral("pipeline"), "runAll")->isEnabled(), answerTimeoutMs);
    QVERIFY(waitUntilSettled());
    photograph("10-interrupted");
    QTest::mouseClick(inView(QStringLiteral("pipeline"), "runAll"), Qt::LeftButton);
    QTRY_VERIFY_WITH_TIMEOUT(session().jobs().isBusy(), answerTimeoutMs);
    QVERIFY(waitUntilIdle());
    QTRY_VERIFY_WITH_TIMEOUT(session().evaluation() != nullptr, answerTimeoutMs);

    // The same texts, the same model: the same numbers as without interruptions.
    const auto other = ProjectWatcher::read(m_project.toStdString());
    const auto traces = readyTraces(*other), again = readyTraces(*session().project());
    QVERIFY(!traces.empty() && !again.empty());
    QCOMPARE(again.front().fingerprint, traces.front().fingerprint);
}

QTEST_MAIN(TestJourneys)
#include "tst_journeys.moc"
