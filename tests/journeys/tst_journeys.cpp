// SPDX-License-Identifier: GPL-3.0-or-later
// What a user does from the first start on, with mouse and keys, on a project that is built on the way. The journeys follow
// one another: each goes on with what the one before it has made.
#include "e2e/cli_process.h"
#include "journeys/journey_project.h"
#include "journeys/journey_window.h"

#include "automaton/automaton_canvas.h"
#include "base/error.h"
#include "explore/token_text_area.h"
#include "ledger/project.h"
#include "pipeline/stage_card.h"
#include "plot/theme.h"
#include "shell/banner.h"
#include "shell/command_registry.h"
#include "shell/guided_tour.h"
#include "shell/trace_choice.h"
#include "shell/view.h"
#include "shell/view_export.h"
#include "shell/view_history.h"
#include "shell/workspace.h"

#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QDialogButtonBox>
#include <QFileDialog>
#include <QFileInfo>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QMessageBox>
#include <QProcess>
#include <QPushButton>
#include <QSettings>
#include <QSlider>
#include <QStyleOptionSlider>
#include <QTableView>
#include <QTemporaryDir>
#include <QToolButton>
#include <QtTest>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

using namespace retoscope;
using namespace retoscope::test;

namespace {

const QString buildOption = QStringLiteral("--build"); // of the child process that is killed

QStringList headings(const QAbstractItemModel &table)
{
    QStringList texts;
    for (int column = 0; column < table.columnCount(); ++column)
        texts << table.headerData(column, Qt::Horizontal).toString();
    return texts;
}

/// The middle of a cell, in the viewport of its table.
QPoint middleOf(const QAbstractItemView &table, int row, int column)
{
    return table.visualRect(table.model()->index(row, column)).center();
}

QByteArray contentOf(const QString &path)
{
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

/// Where the mouse takes hold of a slider, and where it lets go at `fraction` of the groove.
QList<QPoint> dragPath(const QSlider &slider, double fraction, int steps)
{
    QStyleOptionSlider option;
    option.initFrom(&slider);
    option.minimum = slider.minimum();
    option.maximum = slider.maximum();
    option.sliderPosition = option.sliderValue = slider.value();
    option.orientation = Qt::Horizontal;
    option.subControls = QStyle::SC_All;
    const QPoint from = slider.style()->subControlRect(QStyle::CC_Slider, &option, QStyle::SC_SliderHandle, &slider).center();
    const int to = qRound(slider.width() * fraction);
    QList<QPoint> path;
    for (int i = 0; i <= steps; ++i)
        path << QPoint(from.x() + (to - from.x()) * i / steps, from.y());
    return path;
}

/// The child process: opens the window, presses Run all and tells each progress of a job on the standard output, until
/// somebody ends it.
int buildInAWindow(const QString &project, const QString &description)
{
    const QTemporaryDir folder;
    AppSettings settings(folder.filePath(QStringLiteral("settings.ini")));
    settings.setTourSeen(true);
    JourneyWindow child(settings, project, description);
    QObject::connect(&child.session().jobs(), &JobManager::jobChanged, &child.window(), [&child](int id) {
        const JobInfo *job = child.session().jobs().job(id);
        std::printf("%s %lld\n", job->progress.stage.c_str(), static_cast<long long>(job->progress.done));
        std::fflush(stdout);
    });
    if (!child.waitUntilReadable() || !child.click(child.find(QStringLiteral("pipeline"), "runAll")))
        return EXIT_FAILURE;
    return child.waitUntilIdle() ? EXIT_SUCCESS : EXIT_FAILURE;
}

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
    void twoRunsAreCompared();
    void runsAreFilteredAndTheirCommandRepeated();
    void aFigureAndATableAreExported();
    void aBuildThatWasStoppedOrKilledGoesOn();
    void cleanupTestCase() { m_user.reset(); }

private:
    void openWindow(const QString &project);
    [[nodiscard]] Session &session() { return m_user->session(); }
    [[nodiscard]] StageCard *card(const char *stage) { return m_user->find<StageCard>(QStringLiteral("pipeline"), (QByteArray("card-") + stage).constData()); }
    [[nodiscard]] TokenTextArea *textArea() { return m_user->find<TokenTextArea>(QStringLiteral("text"), "Evaluation text"); }
    [[nodiscard]] QLabel *label(const QString &view, const char *name) { return m_user->find<QLabel>(view, name); }
    /// Ctrl+E in the view that has the focus, and the file's name given to the dialog.
    [[nodiscard]] bool exportTo(const QString &file);
    [[nodiscard]] bool kill(const QString &program, const QStringList &arguments, const QByteArray &when);

    QTemporaryDir m_folder;
    QString m_description, m_project;
    std::unique_ptr<AppSettings> m_settings;
    std::unique_ptr<JourneyWindow> m_user;
    bool m_built = false;
};

#define NEEDS_THE_BUILT_PROJECT \
    if (!m_built)               \
    QSKIP("the first journey has not built the project")

void TestJourneys::initTestCase()
{
    QLocale::setDefault(QLocale(QLocale::English, QLocale::UnitedStates));
    QSettings::setDefaultFormat(QSettings::IniFormat);
    QSettings::setPath(QSettings::IniFormat, QSettings::UserScope, m_folder.filePath(QStringLiteral("config")));
    applyTheme(*qApp, Theme::Light);
    m_description = writeJourneyDescription(m_folder.path());
    QVERIFY(!m_description.isEmpty());
    m_project = m_folder.filePath(QStringLiteral("first"));
    Project::create(m_project.toStdString());
    m_settings = std::make_unique<AppSettings>(m_folder.filePath(QStringLiteral("settings.ini")));
}

void TestJourneys::openWindow(const QString &project)
{
    m_user.reset(); // the one before
    m_user = std::make_unique<JourneyWindow>(*m_settings, project, m_description);
    QVERIFY(QTest::qWaitForWindowActive(&m_user->window()));
    QVERIFY(m_user->waitUntilReadable());
}

void TestJourneys::theFirstStartBuildsEverything()
{
    openWindow(m_project);
    if (QTest::currentTestFailed())
        return;
    GuidedTour &tour = m_user->window().tour();
    QTRY_VERIFY(tour.isRunning()); // it points to Run all
    m_user->photograph(QStringLiteral("01-first-start"));
    std::int64_t growing = 0; // tokens on the screen while the trace is being recorded
    const auto live = connect(&session(), &Session::liveChanged, this, [&] {
        if (session().live() && !session().trace())
            growing = std::max(growing, textArea()->stream().size());
    });
    const GuiWatch watch;
    QVERIFY(m_user->click(m_user->find(QStringLiteral("pipeline"), "runAll")));
    QTRY_VERIFY_WITH_TIMEOUT(session().jobs().isBusy(), answerTimeoutMs);
    // A card says what is being done, the status line too.
    const auto isRunning = [this] { return card("datastore")->content().look == CardContent::Look::Running && card("datastore")->content().progress > 0; };
    QVERIFY(QTest::qWaitFor(isRunning, buildTimeoutMs));
    const auto *status = m_user->window().findChild<QToolButton *>(QStringLiteral("statusJob"));
    QVERIFY(status && status->isVisible() && !status->text().isEmpty());
    m_user->photograph(QStringLiteral("02-building"));
    QVERIFY(m_user->waitUntilIdle());
    disconnect(live);
    qInfo("longest blocking of the window while everything was built: %lld ms", static_cast<long long>(watch.longestMs()));
    for (const JobInfo &job : session().jobs().jobs())
        QVERIFY2(job.state == JobInfo::State::Done, qPrintable(job.title + QStringLiteral(": ") + job.message));
    QVERIFY2(growing > 0, "nothing was to be read while the trace was being recorded");
    QVERIFY(m_user->waitUntilSettled());
    for (const char *stage : {"corpus", "model", "datastore", "index", "clusters", "trace", "curves"}) {
        QVERIFY2(card(stage), stage);
        QVERIFY2(card(stage)->content().look == CardContent::Look::Ready, qPrintable(QString::fromUtf8(stage) + QStringLiteral(": ") + card(stage)->content().state));
    }
    // The newest trace opens by itself, as RetoMaton with a setting of the sweep, and the tour goes on with the text.
    QTRY_VERIFY_WITH_TIMEOUT(session().evaluation() != nullptr, answerTimeoutMs);
    QCOMPARE(session().trace()->name(), readyTraces(*session().project()).front().name);
    QVERIFY(session().trace()->hasClusters());
    QVERIFY(session().evaluation()->result.settings.method == Method::Retomaton);
    QVERIFY(session().evaluation()->result.foss > 0);
    QTRY_VERIFY(tour.isRunning() && GuidedTour::steps(true).size() > 2);
    QVERIFY(m_user->waitUntilSettled());
    m_user->photograph(QStringLiteral("03-tour"));
    auto *bubble = m_user->window().findChild<QWidget *>(QStringLiteral("tourBubble"));
    int steps = 0;
    for (; tour.isRunning() && steps < 10; ++steps) {
        QVERIFY(m_user->click(bubble->findChild<QPushButton *>(QStringLiteral("tourNext"))));
        QVERIFY(m_user->waitUntilSettled());
    }
    QCOMPARE(steps, static_cast<int>(GuidedTour::steps(true).size()));
    m_built = true;
}

void TestJourneys::aClickedTokenIsOpened()
{
    NEEDS_THE_BUILT_PROJECT;
    // The tour has moved views to the front; the palette finds the way back.
    m_user->key(Qt::Key_K, Qt::ControlModifier);
    QTRY_VERIFY(m_user->window().findChild<QWidget *>(QStringLiteral("commandPalette"))->isVisible());
    m_user->type(QStringLiteral("restore default"));
    m_user->key(Qt::Key_Return);
    QVERIFY(m_user->waitUntilSettled());
    TokenTextArea *area = textArea();
    QTRY_VERIFY_WITH_TIMEOUT(area->isLaidOut(), answerTimeoutMs);
    const Position token(area->visiblePositions().first + 20);
    const auto whereIs = [area](Position position) { return area->tokenRect(position).center() + area->viewport()->mapTo(area, QPoint()); };
    QVERIFY(m_user->hover(area, whereIs(token)));
    QTRY_VERIFY(area->findChild<QWidget *>(QStringLiteral("hoverCard"))->isVisible());
    QVERIFY(m_user->click(area, whereIs(token)));
    QCOMPARE(session().selection().primary(), token);
    const auto *neighbours = m_user->find<QAbstractItemView>(QStringLiteral("neighbours"), "neighbourTable");
    const auto *distributions = m_user->find<QAbstractItemView>(QStringLiteral("distributions"), "distributionTable");
    QVERIFY(neighbours && distributions && neighbours->isVisible() && distributions->isVisible());
    QTRY_VERIFY_WITH_TIMEOUT(neighbours->model()->rowCount() > 0 && distributions->model()->rowCount() > 0, answerTimeoutMs);
    QVERIFY(m_user->waitUntilSettled());
    const auto firstRow = [](const QAbstractItemView *table) {
        QStringList cells;
        for (int column = 0; column < table->model()->columnCount(); ++column)
            cells << table->model()->index(0, column).data().toString();
        return cells.join(QLatin1Char('|'));
    };
    const QString ofTheToken = firstRow(neighbours);
    QVERIFY2(ofTheToken.size() > neighbours->model()->columnCount(), qPrintable(ofTheToken));
    m_user->photograph(QStringLiteral("04-token"));

    m_user->key(Qt::Key_Right);
    QCOMPARE(session().selection().primary(), Position(token.value + 1));
    QVERIFY(m_user->waitUntilSettled());
    QVERIFY(firstRow(neighbours) != ofTheToken);
    m_user->key(Qt::Key_Left);
    QCOMPARE(session().selection().primary(), token);
    QVERIFY(m_user->waitUntilSettled());
    QCOMPARE(firstRow(neighbours), ofTheToken);
    m_user->key(Qt::Key_P);
    QCOMPARE(session().selection().pinned(), std::set<Position>{token});
    QTRY_VERIFY(m_user->find(QStringLiteral("text"), "pinnedCard") && m_user->find(QStringLiteral("text"), "pinnedCard")->isVisible());
    m_user->photograph(QStringLiteral("05-pinned"));
    m_user->key(Qt::Key_P);
    QTest::qWait(ViewHistory::debounceMs + 100); // the hand rests
    m_user->key(Qt::Key_Escape);
    QVERIFY(!session().selection().primary().valid());
    m_user->key(Qt::Key_Z, Qt::ControlModifier); // the choice of the token comes back
    QTRY_COMPARE(session().selection().primary(), token);
}

void TestJourneys::theAutomatonIsStepped()
{
    NEEDS_THE_BUILT_PROJECT;
    m_user->key(Qt::Key_2, Qt::AltModifier);
    QCOMPARE(m_user->window().workspace().layout(), QStringLiteral("automaton"));
    const QString automaton = QStringLiteral("automaton");
    QVERIFY(m_user->waitUntilSettled());
    View *view = m_user->window().workspace().view(automaton);
    QVERIFY(view && view->isVisible() && view->showsContent());
    auto *canvas = view->findChild<AutomatonCanvas *>();
    const QLabel *caption = label(automaton, "automatonCaption");
    QVERIFY(canvas && canvas->isVisible() && caption);
    m_user->photograph(QStringLiteral("06-automaton"));
    // A click on a step makes it the primary token; then the arrows, the step key and the search key walk.
    QVERIFY(m_user->click(canvas, canvas->headerRect(2).center().toPoint()));
    const Position first = session().selection().primary();
    QCOMPARE(first, canvas->layoutOfStates().columns[2].position);
    m_user->key(Qt::Key_Right);
    QCOMPARE(session().selection().primary(), Position(first.value + 1));
    QVERIFY(m_user->waitUntilSettled());
    const QString before = caption->text();
    m_user->key(Qt::Key_Period);
    QCOMPARE(session().selection().primary(), Position(first.value + 2));
    QVERIFY(m_user->waitUntilSettled());
    QVERIFY2(caption->text() != before, qPrintable(before));
    m_user->key(Qt::Key_N);
    const Position search = session().selection().primary();
    QVERIFY(search.value > first.value + 2);
    const auto &searched = session().evaluation()->result.searched;
    for (std::int64_t t = first.value + 3; t <= search.value; ++t)
        QCOMPARE(searched[std::size_t(t)] != 0, t == search.value);
    QVERIFY(m_user->waitUntilSettled());
    QVERIFY2(caption->text().contains(QStringLiteral("searched")), qPrintable(caption->text()));
    // A state lists its entries.
    const auto &layout = canvas->layoutOfStates();
    const auto column = std::ranges::find(layout.columns, search, [](const auto &each) { return each.position; });
    QVERIFY(column != layout.columns.end());
    QVERIFY(m_user->click(canvas, canvas->stateRect(column->first).center().toPoint()));
    const auto *entries = m_user->find<QTableView>(automaton, "entryTable");
    QTRY_VERIFY_WITH_TIMEOUT(entries->isVisible() && entries->model()->rowCount() > 0, answerTimeoutMs);
    QVERIFY(m_user->waitUntilSettled());
    m_user->photograph(QStringLiteral("07-next-search"));
}

void TestJourneys::slidersMoveEverythingAndASettingBecomesARun()
{
    NEEDS_THE_BUILT_PROJECT;
    m_user->key(Qt::Key_3, Qt::AltModifier);
    const QString sweep = QStringLiteral("sweep");
    QVERIFY(m_user->waitUntilSettled());
    QWidget *lambda = m_user->find(sweep, "lambda");
    QVERIFY(lambda);
    auto *slider = lambda->findChild<QSlider *>();
    const QLabel *perplexity = label(sweep, "retomaton_perplexity");
    QVERIFY(slider && perplexity);
    const QString before = perplexity->text();
    const double lambdaBefore = session().settings().lambda;
    const double wanted = lambdaBefore < 0.5 ? 0.9 : 0.1;
    QString whileDragging;
    QVERIFY(m_user->drag(slider, dragPath(*slider, wanted, 20), [&] {
        QVERIFY(QTest::qWaitFor([&] { return perplexity->text() != before && m_user->waitUntilSettled(); }, answerTimeoutMs));
        whileDragging = perplexity->text();
    }));
    QVERIFY2(!whileDragging.isEmpty() && whileDragging != before, qPrintable(whileDragging));
    QVERIFY(std::abs(session().settings().lambda - wanted) < 0.1);
    QVERIFY(m_user->waitUntilSettled());
    // The readout, the evaluation and the setting say the same.
    QCOMPARE(session().evaluation()->result.settings.lambda, session().settings().lambda);
    QCOMPARE(perplexity->text(), QLocale().toString(session().evaluation()->result.perplexity, 'f', 3));
    slider->setFocus();
    m_user->key(Qt::Key_Right);
    QVERIFY(m_user->waitUntilSettled());
    QVERIFY(perplexity->text() != whileDragging);
    m_user->photograph(QStringLiteral("08-sliders"));

    const std::size_t runs = session().project()->runs.size();
    QVERIFY(m_user->click(m_user->find(sweep, "saveRun")));
    QTRY_VERIFY_WITH_TIMEOUT(session().project()->runs.size() == runs + 1, answerTimeoutMs);
    const RunRow saved = session().project()->runs.front();
    QCOMPARE(saved.config.value("lambda", 0.0), session().settings().lambda);
    QCOMPARE(QLocale().toString(saved.metrics.value("perplexity", 0.0), 'f', 3), perplexity->text());
}

void TestJourneys::twoRunsAreCompared()
{
    NEEDS_THE_BUILT_PROJECT;
    m_user->key(Qt::Key_4, Qt::AltModifier);
    QVERIFY(m_user->waitUntilSettled());
    const QString runs = QStringLiteral("runs");
    auto *table = m_user->find<QTableView>(runs, "scrollingColumns");
    QVERIFY(table && table->isVisible() && table->model()->rowCount() > 2);
    // The newest run is the saved setting; the one below is of the sweep or the curve over the same trace.
    const int method = static_cast<int>(headings(*table->model()).indexOf(QStringLiteral("method")));
    QVERIFY2(method >= 0, qPrintable(headings(*table->model()).join(QLatin1Char(','))));
    const auto at = [&](int row) { return middleOf(*table, row, method) + table->viewport()->mapTo(table, QPoint()); };
    QVERIFY(m_user->click(table, at(0)));
    QVERIFY(m_user->click(table, at(1), Qt::ControlModifier));
    const auto *comparison = m_user->find<QTableView>(runs, "runComparison");
    QTRY_VERIFY(comparison->isVisible());
    const QAbstractItemModel &differences = *comparison->model();
    QCOMPARE(differences.columnCount(), 3);
    QString section;
    int settings = 0, results = 0;
    for (int row = 0; row < differences.rowCount(); ++row) {
        const QString field = differences.index(row, 0).data().toString();
        const QString one = differences.index(row, 1).data().toString(), other = differences.index(row, 2).data().toString();
        if (one.isEmpty() && other.isEmpty())
            section = field;
        else if (section == QStringLiteral("Result")) // these are always shown, of the settings only what differs
            ++results;
        else {
            ++settings;
            QVERIFY2(one != other, qPrintable(field + QStringLiteral(": ") + one));
        }
    }
    QVERIFY(settings > 0 && results > 2);
    QVERIFY(m_user->waitUntilSettled());
    m_user->photograph(QStringLiteral("09-two-runs"));

    m_user->key(Qt::Key_C, Qt::ControlModifier | Qt::ShiftModifier);
    QTRY_VERIFY_WITH_TIMEOUT(session().comparison() != nullptr, answerTimeoutMs);
    m_user->key(Qt::Key_1, Qt::AltModifier);
    QVERIFY(m_user->waitUntilSettled());
    QVERIFY(!(session().comparison()->result.settings == session().evaluation()->result.settings));
    const auto strips = m_user->window().workspace().view(QStringLiteral("text"))->findChildren<TokenTextArea *>();
    QCOMPARE(int(std::ranges::count_if(strips, [](const TokenTextArea *strip) { return strip->isVisible(); })), 2);
    m_user->photograph(QStringLiteral("10-compare"));
    QVERIFY(m_user->window().commands().run(QStringLiteral("compare.clear")));
    QVERIFY(!session().comparison());
}

void TestJourneys::runsAreFilteredAndTheirCommandRepeated()
{
    NEEDS_THE_BUILT_PROJECT;
    m_user->key(Qt::Key_4, Qt::AltModifier);
    QVERIFY(m_user->waitUntilSettled());
    const QString runs = QStringLiteral("runs");
    auto *table = m_user->find<QTableView>(runs, "scrollingColumns");
    auto *filter = m_user->find<QLineEdit>(runs, "runFilter");
    const int all = table->model()->rowCount();
    QVERIFY(m_user->click(filter));
    m_user->type(QStringLiteral("method = retomaton and foss > 0.1"));
    m_user->key(Qt::Key_Return);
    QVERIFY(m_user->waitUntilSettled());
    const int shown = table->model()->rowCount();
    QVERIFY2(shown > 0 && shown < all, qPrintable(QString::number(shown)));
    QCOMPARE(label(runs, "runCount")->text(), QStringLiteral("%1 of %2 runs").arg(shown).arg(all));
    m_user->photograph(QStringLiteral("11-filtered"));
    // What is half-written says so and keeps what is shown.
    m_user->type(QStringLiteral(" and"));
    m_user->key(Qt::Key_Return);
    QTRY_VERIFY(label(runs, "runProblem")->isVisible());
    QCOMPARE(table->model()->rowCount(), shown);
    for (int i = 0; i < 4; ++i)
        m_user->key(Qt::Key_Backspace);
    QVERIFY(m_user->waitUntilSettled());

    QVERIFY(m_user->click(table, middleOf(*table, 0, 4) + table->viewport()->mapTo(table, QPoint())));
    m_user->key(Qt::Key_C, Qt::ControlModifier);
    QStringList command = QProcess::splitCommand(QApplication::clipboard()->text());
    QCOMPARE(command.value(0), QStringLiteral("retoscope-cli"));
    if (cliProgram().isEmpty())
        QSKIP("RETOSCOPE_CLI names no program that could repeat the command");
    const std::size_t before = session().project()->runs.size();
    command.removeFirst();
    const CliResult repeated = runCli(command << QStringLiteral("--project") << m_project);
    QVERIFY2(repeated.exitCode == 0, repeated.transcript().constData());
    QTRY_VERIFY_WITH_TIMEOUT(session().project()->runs.size() > before, answerTimeoutMs); // another program's run appears by itself
    QVERIFY(m_user->click(filter));
    m_user->key(Qt::Key_A, Qt::ControlModifier);
    m_user->key(Qt::Key_Delete);
    QTRY_COMPARE_WITH_TIMEOUT(table->model()->rowCount(), int(session().project()->runs.size()), answerTimeoutMs);
}

bool TestJourneys::exportTo(const QString &file)
{
    bool asked = false;
    m_user->answer<QFileDialog>([&](QFileDialog &dialog) {
        asked = true;
        // Typed, its list of completions would lie over the button.
        dialog.findChild<QLineEdit *>(QStringLiteral("fileNameEdit"))->setText(file);
        m_user->click(dialog.findChild<QDialogButtonBox *>()->button(QDialogButtonBox::Save));
    });
    m_user->key(Qt::Key_E, Qt::ControlModifier);
    m_user->window().activateWindow(); // as a window manager does when a dialog closes
    if (asked && QFileInfo(file).size() > 0 && !m_user->window().banner().isVisible())
        return true;
    qWarning("%s is not written: %s; beside it lie %s", qPrintable(file), asked ? qPrintable(m_user->window().banner().sentence()) : "no dialog opened",
             qPrintable(QFileInfo(file).dir().entryList(QDir::Files).join(QStringLiteral(", "))));
    return false;
}

void TestJourneys::aFigureAndATableAreExported()
{
    NEEDS_THE_BUILT_PROJECT;
    QApplication::setAttribute(Qt::AA_DontUseNativeDialogs);
    m_user->key(Qt::Key_1, Qt::AltModifier);
    QVERIFY(m_user->waitUntilSettled());
    if (!session().selection().primary().valid())
        session().selection().lock(Position(10));
    QVERIFY(m_user->click(m_user->find(QStringLiteral("perplexity"), "perplexityPlot")));
    const QString figure = m_folder.filePath(QStringLiteral("figure.pdf"));
    QVERIFY(exportTo(figure));
    QVERIFY(contentOf(figure).startsWith("%PDF-"));
    auto *neighbours = m_user->find<QAbstractItemView>(QStringLiteral("neighbours"), "neighbourTable");
    QVERIFY(m_user->click(neighbours));
    QVERIFY(m_user->waitUntilSettled());
    const QString table = m_folder.filePath(QStringLiteral("table.csv"));
    QVERIFY(exportTo(table));
    const auto lines = contentOf(table).trimmed().split('\n');
    QCOMPARE(int(lines.size()), neighbours->model()->rowCount() + 1);
    QVERIFY2(lines.front().split(',').size() >= 4, lines.front().constData());

    // And every view in every format without a display.
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
                // Only what is made by hand may be missing: a text to generate, a grid to compute.
                const QString sentence = QString::fromUtf8(error.what());
                QVERIFY2((entry.id == QLatin1String("generate") || entry.id == QLatin1String("sweep")) && error.kind() == ErrorKind::NotFound,
                         qPrintable(entry.id + QLatin1Char('.') + suffix + QStringLiteral(": ") + sentence));
            }
        }
    }
}

/// Starts a program and ends it as `kill -9` does as soon as it has said `when`.
bool TestJourneys::kill(const QString &program, const QStringList &arguments, const QByteArray &when)
{
    QProcess process;
    process.setProcessChannelMode(QProcess::MergedChannels);
    process.start(program, arguments);
    QByteArray said;
    if (!QTest::qWaitFor([&] { return (said += process.readAll()).contains(when) || process.state() == QProcess::NotRunning; }, buildTimeoutMs)
        || process.state() == QProcess::NotRunning) {
        qWarning("%s ended before it could be killed: %s", qPrintable(program), said.right(2000).constData());
        return false;
    }
    process.kill(); // SIGKILL
    return process.waitForFinished() && process.exitStatus() == QProcess::CrashExit;
}

void TestJourneys::aBuildThatWasStoppedOrKilledGoesOn()
{
    NEEDS_THE_BUILT_PROJECT;
    const QString project = m_folder.filePath(QStringLiteral("second"));
    Project::create(project.toStdString());
    const auto state = [&](ArtefactKind kind) {
        const auto rows = ProjectWatcher::read(project.toStdString())->artefacts;
        const auto row = std::ranges::find(rows, kind, &ArtefactRow::kind);
        return row == rows.end() ? std::optional<ArtefactState>() : row->state;
    };

    // The window is killed in the middle of the datastore …
    QVERIFY(kill(QApplication::applicationFilePath(), {buildOption, project, m_description}, "building the datastore 8"));
    QVERIFY(state(ArtefactKind::Datastore) && *state(ArtefactKind::Datastore) != ArtefactState::Ready);

    // … goes on in another one, which is closed while it works …
    openWindow(project);
    if (QTest::currentTestFailed())
        return;
    QVERIFY2(card("datastore")->content().look == CardContent::Look::Unfinished, qPrintable(card("datastore")->content().state));
    m_user->photograph(QStringLiteral("12-killed"));
    QVERIFY(m_user->click(card("datastore")->findChild<QToolButton *>(QStringLiteral("action"))));
    QVERIFY(QTest::qWaitFor([this] { return session().jobs().running() && session().jobs().running()->progress.done > 0; }, buildTimeoutMs));
    m_user->answer<QMessageBox>([this](QMessageBox &box) {
        const auto buttons = box.buttons();
        const auto stop = std::ranges::find_if(buttons, [](const QAbstractButton *button) { return button->text().contains(QStringLiteral("Stop")); });
        QVERIFY(stop != buttons.end());
        QVERIFY(m_user->click(*stop));
    });
    m_user->window().close();
    QTRY_VERIFY_WITH_TIMEOUT(!m_user->window().isVisible(), answerTimeoutMs);
    QVERIFY(*state(ArtefactKind::Datastore) != ArtefactState::Ready);

    // … and once more on the command line.
    if (!cliProgram().isEmpty()) {
        QVERIFY(kill(cliProgram(), {QStringLiteral("run"), m_description, QStringLiteral("--project"), project}, "clusters"));
        QVERIFY(!state(ArtefactKind::Trace));
    }

    openWindow(project);
    if (QTest::currentTestFailed())
        return;
    QVERIFY(m_user->click(m_user->find(QStringLiteral("pipeline"), "runAll")));
    QTRY_VERIFY_WITH_TIMEOUT(session().jobs().isBusy(), answerTimeoutMs);
    QVERIFY(m_user->waitUntilIdle());
    QVERIFY2(session().jobs().jobs().back().state == JobInfo::State::Done, qPrintable(session().jobs().jobs().back().message));
    QTRY_VERIFY_WITH_TIMEOUT(session().evaluation() != nullptr, answerTimeoutMs);
    QVERIFY(m_user->waitUntilSettled());
    m_user->photograph(QStringLiteral("13-went-on"));

    // The same texts, the same model: the same artefacts as without interruptions.
    const auto whole = ProjectWatcher::read(m_project.toStdString()), patched = ProjectWatcher::read(project.toStdString());
    QCOMPARE(patched->artefacts.size(), whole->artefacts.size());
    for (const ArtefactRow &row : whole->artefacts) {
        const auto same = std::ranges::find_if(patched->artefacts, [&](const ArtefactRow &other) { return other.kind == row.kind && other.name == row.name; });
        QVERIFY2(same != patched->artefacts.end(), row.name.c_str());
        QVERIFY2(same->state == ArtefactState::Ready && same->fingerprint == row.fingerprint, row.name.c_str());
    }
}

int main(int argc, char **argv)
{
    QApplication application(argc, argv);
    QApplication::setApplicationName(QStringLiteral("retoscope-journeys"));
    const QStringList arguments = QApplication::arguments();
    if (arguments.size() == 4 && arguments[1] == buildOption)
        return buildInAWindow(arguments[2], arguments[3]);
    TestJourneys journeys;
    QTEST_SET_MAIN_SOURCE_PATH
    return QTest::qExec(&journeys, argc, argv);
}

#include "tst_journeys.moc"
