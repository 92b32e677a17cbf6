// SPDX-License-Identifier: GPL-3.0-or-later
// The whole window on days when things are not as they should be: no crash, no freeze, and a sentence where something
// cannot be shown.
#include <QtTest> // before the core: moc 6.4 cannot parse <compare> first

#include "journeys/journey_window.h"

#include "core/ledger/project_world.h"
#include "explore/token_text_area.h"
#include "pipeline/stage_card.h"
#include "pipeline/work_dialog.h"
#include "plot/theme.h"
#include "shell/banner.h"
#include "shell/view.h"
#include "shell/workspace.h"
#include "widgets/explore_world.h"

#include <QImage>
#include <QLabel>
#include <QMimeData>
#include <QProcess>
#include <QSettings>
#include <QTableView>
#include <QTemporaryDir>
#include <QToolButton>

#include <sqlite3.h>

#include <cmath>
#include <memory>

using namespace retoscope;
using namespace retoscope::test;

namespace {

constexpr qint64 longestPauseMs = 1500; // on a machine that does other things too

/// The tokens one after the other until there are so many; `documents` of equal size.
ExploreText textOf(const QStringList &pieces, std::size_t positions, std::int32_t documents = 1)
{
    ExploreText text;
    for (const QString &piece : pieces)
        text.pieces.push_back(piece.toStdString());
    for (std::size_t i = 0; i < positions; ++i) {
        text.targets.push_back(std::int32_t(i % text.pieces.size()));
        text.documents.push_back(std::int32_t(i * std::size_t(documents) / positions));
    }
    text.states = 8;
    return text;
}

/// A window with real views on a project in a folder of its own.
struct Place
{
    QTemporaryDir folder;
    AppSettings settings{folder.filePath(QStringLiteral("settings.ini"))};
    std::filesystem::path project;
    std::unique_ptr<JourneyWindow> user;

    enum class With { Nothing, Trace };
    explicit Place(With with = With::Nothing) : project(folder.filePath(QStringLiteral("project")).toStdString())
    {
        settings.setTourSeen(true);
        if (with == With::Trace)
            std::filesystem::copy(ProjectWorld().project.folder(), project, std::filesystem::copy_options::recursive);
        else
            Project::create(project);
    }
    void open() { user = std::make_unique<JourneyWindow>(settings, QString::fromStdString(project.string()), QString()); }
    [[nodiscard]] Session &session() const { return user->session(); }
    [[nodiscard]] StageCard *card(const char *stage) const { return user->find<StageCard>(QStringLiteral("pipeline"), (QByteArray("card-") + stage).constData()); }
    [[nodiscard]] Banner &banner() const { return user->window().banner(); }
    View *show(const QString &view) const { return user->window().workspace().showView(view); }
    void drop(const QString &path) const
    {
        QMimeData data;
        data.setUrls({QUrl::fromLocalFile(path)});
        QDragEnterEvent enter(QPoint(10, 10), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(&user->window(), &enter);
        QVERIFY(enter.isAccepted());
        QDropEvent dropped(QPointF(10, 10), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(&user->window(), &dropped);
    }
};

bool writeFile(const QString &path, const QByteArray &content)
{
    QFile file(path);
    return file.open(QIODevice::WriteOnly) && file.write(content) == content.size();
}

/// Another program that works with the ledger and lets nobody else.
class Locker
{
public:
    explicit Locker(const std::filesystem::path &ledger)
    {
        if (sqlite3_open(ledger.c_str(), &m_connection) == SQLITE_OK)
            run("PRAGMA locking_mode=EXCLUSIVE");
    }
    ~Locker()
    {
        run("COMMIT");
        sqlite3_close(m_connection);
    }
    Locker(const Locker &) = delete;
    /// False while the window reads: try again.
    [[nodiscard]] bool lock() { return run("BEGIN EXCLUSIVE; UPDATE change SET counter = counter + 1") || (run("ROLLBACK"), false); }

private:
    bool run(const char *sql) { return sqlite3_exec(m_connection, sql, nullptr, nullptr, nullptr) == SQLITE_OK; }
    sqlite3 *m_connection = nullptr;
};

/// Mean difference of the grey values of two pictures of one size, 0 to 255.
double difference(const QImage &a, const QImage &b)
{
    double sum = 0;
    for (int y = 0; y < a.height(); ++y) {
        for (int x = 0; x < a.width(); ++x)
            sum += std::abs(qGray(a.pixel(x, y)) - qGray(b.pixel(x, y)));
    }
    return sum / (double(a.width()) * a.height());
}

} // namespace

class TestBadDays : public QObject
{
    Q_OBJECT

    QTemporaryDir m_config;

    /// Each view has its content or a sentence.
    static void visit(const Place &place, const QStringList &views)
    {
        for (const QString &id : views) {
            View *view = place.show(id);
            QVERIFY2(view, qPrintable(id));
            QVERIFY2(place.user->waitUntilSettled(), qPrintable(id));
            QVERIFY2(view->showsContent() || !view->noticeText().isEmpty(), qPrintable(id));
            QVERIFY2(view->noticeText().size() < 600, qPrintable(view->noticeText()));
            QVERIFY(!place.user->window().grab().isNull());
        }
    }
    static void visitEverything(const Place &place)
    {
        QStringList all;
        for (const ViewEntry &entry : viewRegistry())
            all << entry.id;
        visit(place, all);
    }

private Q_SLOTS:
    void initTestCase()
    {
        QLocale::setDefault(QLocale(QLocale::English, QLocale::UnitedStates));
        QSettings::setDefaultFormat(QSettings::IniFormat);
        QSettings::setPath(QSettings::IniFormat, QSettings::UserScope, m_config.path());
        applyTheme(*qApp, Theme::Light);
    }

    void strangeTexts_data()
    {
        QTest::addColumn<ExploreText>("text");
        const QStringList english = {QStringLiteral("The"), QStringLiteral(" cat"), QStringLiteral(" sat"), QStringLiteral(" on"), QStringLiteral(" it"), QStringLiteral(".\n")};
        QTest::newRow("a document of a million tokens") << textOf(english, 1'000'000);
        QTest::newRow("twenty thousand documents") << textOf(english, 60'000, 20'000);
        QTest::newRow("tokens of 400 bytes") << textOf({QString(400, QLatin1Char('x')), QStringLiteral(" ") + QString(399, QLatin1Char('=')), QString(133, QChar(0x4e2d))}, 600);
        QTest::newRow("right to left") << textOf({QStringLiteral("שלום"), QStringLiteral(" עולם"), QStringLiteral(" مرحبا"), QStringLiteral("بالعالم"), QStringLiteral(" abc")}, 3000);
        QTest::newRow("CJK") << textOf({QStringLiteral("検索"), QStringLiteral("拡張"), QStringLiteral("言語"), QStringLiteral("모델"), QStringLiteral("。")}, 20'000);
        ExploreText broken = textOf(english, 500);
        broken.pieces = {"\xe4\xb8", "\xad", "\xff\xfe", std::string("\0", 1), "\x1b[31m", "<b>&amp;"};
        QTest::newRow("broken UTF-8 and control characters") << broken;
        ExploreText ids = textOf(english, 500);
        ids.tokenizer = false;
        QTest::newRow("no tokenizer") << ids;
        ExploreText pointers = textOf(english, 500);
        pointers.states = 0;
        QTest::newRow("no clusters") << pointers;
        QTest::newRow("a single token") << textOf(english, 1);
    }

    void strangeTexts()
    {
        QFETCH(const ExploreText, text);
        Place place;
        place.open();
        QVERIFY(place.user->waitUntilReadable());
        const auto trace = makeSession(text);
        const GuiWatch watch;
        place.session().setTrace(trace);
        EvaluationSettings settings = place.session().settings();
        settings.method = Method::Retomaton;
        place.session().setSettings(settings);
        QTRY_VERIFY_WITH_TIMEOUT(place.session().evaluation() != nullptr, answerTimeoutMs);
        place.session().selection().lock(Position(trace->positions() / 2));
        visitEverything(place);
        if (QTest::currentTestFailed())
            return;
        const View *reading = place.show(QStringLiteral("text"));
        QVERIFY(reading->showsContent());
        QCOMPARE(reading->findChild<QLabel *>(QStringLiteral("note"))->isVisible(), !text.tokenizer); // says why there are ids
        reading->findChild<TokenTextArea *>(QStringLiteral("Evaluation text"))->setFocus();
        for (const Qt::Key key : {Qt::Key_Right, Qt::Key_Right, Qt::Key_Left, Qt::Key_Down, Qt::Key_Up})
            place.user->key(key);
        settings.lambda = 0.75;
        place.session().setSettings(settings);
        QVERIFY(place.user->waitUntilSettled());
        QCOMPARE(place.session().evaluation()->result.settings.lambda, 0.75);
        place.user->photograph(QStringLiteral("bad-") + QString::fromUtf8(QTest::currentDataTag()).replace(QLatin1Char(' '), QLatin1Char('-')));
        qInfo("longest pause of the window: %lld ms", static_cast<long long>(watch.longestMs()));
        QVERIFY2(watch.longestMs() < longestPauseMs, qPrintable(QString::number(watch.longestMs())));
    }

    void tenThousandRuns()
    {
        Place place;
        {
            Project project = Project::open(place.project);
            std::vector<RunRow> runs(10'000);
            for (std::size_t i = 0; i < runs.size(); ++i) {
                EvaluationSettings settings;
                settings.method = i % 3 == 0 ? Method::KnnLm : Method::Retomaton;
                settings.temperature = 1 + double(i % 100);
                runs[i].name = "run " + std::to_string(i);
                runs[i].status = RunStatus::Done;
                runs[i].method = toString(settings.method);
                runs[i].config = settings;
                runs[i].metrics = {{"perplexity", 10 + double(i % 1000)}, {"foss", double(i % 7) / 7}, {"searches", i}};
                runs[i].command = "retoscope-cli evaluate --k 16";
            }
            project.ledger().addRuns(runs);
        }
        const GuiWatch watch;
        place.open();
        QVERIFY(place.user->waitUntilReadable());
        const View *runs = place.show(QStringLiteral("runs"));
        QVERIFY(place.user->waitUntilSettled());
        const auto *table = runs->findChild<QTableView *>(QStringLiteral("scrollingColumns"));
        QCOMPARE(table->model()->rowCount(), 10'000);
        visitEverything(place);
        if (QTest::currentTestFailed())
            return;
        Project::open(place.project).ledger().addRun(place.session().project()->runs.front()); // another program's
        QTRY_COMPARE_WITH_TIMEOUT(table->model()->rowCount(), 10'001, answerTimeoutMs);
        qInfo("longest pause of the window: %lld ms", static_cast<long long>(watch.longestMs()));
        QVERIFY2(watch.longestMs() < longestPauseMs, qPrintable(QString::number(watch.longestMs())));
    }

    void aModelWithoutTokenizer()
    {
        Place place;
        place.open();
        QVERIFY(place.user->waitUntilReadable());
        const QString model = place.folder.filePath(QStringLiteral("bare"));
        QVERIFY(QDir().mkpath(model));
        for (const char *name : {"config.json", "model.safetensors"})
            QVERIFY(QFile::copy(QStringLiteral(RETOSCOPE_EXAMPLE_MODEL "/%1").arg(QLatin1String(name)), model + QLatin1Char('/') + QLatin1String(name)));
        place.drop(model);
        auto *dialog = place.user->window().findChild<WorkDialog *>();
        QVERIFY(dialog && dialog->isVisible());
        QTRY_VERIFY(dialog->isSettled());
        QVERIFY(place.user->click(dialog->findChild<QWidget *>(QStringLiteral("start"))));
        QVERIFY(QTest::qWaitFor([&] { return !place.session().jobs().jobs().empty(); }) && place.user->waitUntilIdle());
        QVERIFY(place.session().jobs().jobs().back().state == JobInfo::State::Failed);
        const QString sentence = place.card("model")->content().detail;
        QVERIFY2(sentence.contains(QStringLiteral("tokenizer"), Qt::CaseInsensitive), qPrintable(sentence));
        QVERIFY2(place.user->window().findChild<QLabel *>(QStringLiteral("statusMessage"))->text().contains(QStringLiteral("tokenizer"), Qt::CaseInsensitive),
                 qPrintable(place.user->window().findChild<QLabel *>(QStringLiteral("statusMessage"))->text()));
        // With the files in their place, the same button goes on.
        QVERIFY(QFile::copy(QStringLiteral(RETOSCOPE_EXAMPLE_MODEL "/tokenizer.model"), model + QStringLiteral("/tokenizer.model")));
        QVERIFY(place.user->click(place.card("model")->findChild<QWidget *>(QStringLiteral("action"))));
        QVERIFY(place.user->waitUntilIdle());
        QTRY_VERIFY2(place.card("model")->content().look == CardContent::Look::Ready, qPrintable(place.card("model")->content().detail));
    }

    void anEmptyCorpus()
    {
        Place place;
        place.open();
        QVERIFY(place.user->waitUntilReadable());
        const QString texts = place.folder.filePath(QStringLiteral("nothing"));
        QVERIFY(QDir().mkpath(texts) && writeFile(texts + QStringLiteral("/empty.txt"), " \n\n"));
        const QString description = place.folder.filePath(QStringLiteral("empty.json"));
        const QByteArray json = "{\"format\": \"retoscope-project\", \"version\": 1, \"name\": \"empty\", \"corpus\": {\"paths\": [\"nothing\"]}, \"model\": {\"path\": \""
                                RETOSCOPE_EXAMPLE_MODEL "\"}}";
        QVERIFY(writeFile(description, json));
        place.session().setDescription(description.toStdString());
        QVERIFY(place.user->click(place.user->find(QStringLiteral("pipeline"), "runAll")));
        QVERIFY(QTest::qWaitFor([&] { return !place.session().jobs().jobs().empty(); }) && place.user->waitUntilIdle());
        QVERIFY(place.session().jobs().jobs().back().state == JobInfo::State::Failed);
        const QString sentence = place.session().jobs().jobs().back().message;
        QVERIFY2(sentence.contains(QStringLiteral("text")) || sentence.contains(QStringLiteral("document")), qPrintable(sentence));
        QCOMPARE(place.card("corpus")->content().detail, sentence);
        visitEverything(place); // nothing is there yet, and every view says so
    }

    void theFolderVanishes()
    {
        Place place(Place::With::Trace);
        place.open();
        QVERIFY(place.user->waitUntilReadable());
        QTRY_VERIFY_WITH_TIMEOUT(place.session().evaluation() != nullptr, answerTimeoutMs);
        const GuiWatch watch;
        const auto away = place.project.string() + " away";
        std::filesystem::rename(place.project, away);
        QTRY_VERIFY_WITH_TIMEOUT(place.banner().isVisible(), answerTimeoutMs);
        QVERIFY2(place.banner().sentence().contains(QString::fromStdString(place.project.string())), qPrintable(place.banner().sentence()));
        // What is open can be read on; what needs the folder says what is wrong.
        visitEverything(place);
        if (QTest::currentTestFailed())
            return;
        QVERIFY(place.show(QStringLiteral("text"))->showsContent());
        place.session().selection().lock(Position(5));
        QVERIFY(place.user->waitUntilSettled());
        const View *neighbours = place.show(QStringLiteral("neighbours"));
        QVERIFY(neighbours->showsContent() && neighbours->findChild<QAbstractItemView *>(QStringLiteral("neighbourTable"))->model()->rowCount() > 0);
        place.user->key(Qt::Key_3, Qt::AltModifier); // the layout in which the sliders have room
        QVERIFY(place.user->waitUntilSettled());
        QVERIFY(place.user->click(place.user->find(QStringLiteral("sweep"), "saveRun")));
        QVERIFY(QTest::qWaitFor([&] { return !place.session().jobs().jobs().empty(); }) && place.user->waitUntilIdle());
        QVERIFY(place.session().jobs().jobs().back().state == JobInfo::State::Failed);
        QVERIFY(!place.session().jobs().jobs().back().message.isEmpty());
        QVERIFY(!std::filesystem::exists(place.project)); // nobody made an empty one in its place
        std::filesystem::rename(away, place.project);
        QTRY_VERIFY_WITH_TIMEOUT(!place.banner().isVisible(), answerTimeoutMs);
        QVERIFY(place.user->click(place.user->find(QStringLiteral("sweep"), "saveRun")));
        QVERIFY(place.user->waitUntilIdle());
        QTRY_COMPARE_WITH_TIMEOUT(place.session().project()->runs.size(), std::size_t(1), answerTimeoutMs);
        QVERIFY2(watch.longestMs() < longestPauseMs, qPrintable(QString::number(watch.longestMs())));
    }

    void theLedgerIsLocked()
    {
        Place place(Place::With::Trace);
        place.open();
        QVERIFY(place.user->waitUntilReadable());
        QTRY_VERIFY_WITH_TIMEOUT(place.session().evaluation() != nullptr, answerTimeoutMs);
        const GuiWatch watch;
        {
            Locker other(place.project / "ledger.sqlite");
            QTRY_VERIFY_WITH_TIMEOUT(other.lock(), answerTimeoutMs);
            QTRY_VERIFY_WITH_TIMEOUT(place.banner().isVisible(), answerTimeoutMs);
            QVERIFY2(place.banner().sentence().contains(QStringLiteral("ledger")), qPrintable(place.banner().sentence()));
            // What is open can be read and tried on; what only reads the ledger says that it cannot.
            visit(place, {QStringLiteral("text"), QStringLiteral("neighbours"), QStringLiteral("perplexity"), QStringLiteral("runs"), QStringLiteral("foss")});
            if (QTest::currentTestFailed())
                return;
            QVERIFY(place.show(QStringLiteral("text"))->showsContent());
            place.user->key(Qt::Key_3, Qt::AltModifier); // the layout in which the sliders have room
            QVERIFY(place.user->waitUntilSettled());
            QVERIFY(place.user->click(place.user->find(QStringLiteral("sweep"), "saveRun")));
            QTRY_VERIFY(place.session().jobs().running());
            QTest::qWait(500);
            QVERIFY(place.session().jobs().running()); // a writer waits for the other one …
        }
        QVERIFY(place.user->waitUntilIdle()); // … and goes on
        QTRY_VERIFY_WITH_TIMEOUT(!place.banner().isVisible(), answerTimeoutMs);
        QVERIFY2(place.session().jobs().jobs().back().state == JobInfo::State::Done, qPrintable(place.session().jobs().jobs().back().message));
        QTRY_COMPARE_WITH_TIMEOUT(place.session().project()->runs.size(), std::size_t(1), answerTimeoutMs);
        QVERIFY2(watch.longestMs() < longestPauseMs, qPrintable(QString::number(watch.longestMs())));
    }

    /// At 200 % the window looks as at 100 %, with twice the pixels.
    void aMonitorAtTwiceTheScale()
    {
        const QString program = qEnvironmentVariable("RETOSCOPE_DESKTOP");
        if (program.isEmpty())
            QSKIP("RETOSCOPE_DESKTOP does not name the desktop program");
        const ProjectWorld world;
        const QTemporaryDir folder;
        QImage images[2];
        for (const int scale : {1, 2}) {
            QProcess child;
            auto environment = QProcessEnvironment::systemEnvironment();
            environment.insert(QStringLiteral("QT_SCALE_FACTOR"), QString::number(scale));
            environment.insert(QStringLiteral("QT_QPA_PLATFORM"), QStringLiteral("offscreen"));
            child.setProcessEnvironment(environment);
            const QString file = folder.filePath(QStringLiteral("window-%1.png").arg(scale));
            child.start(program, {QStringLiteral("--export"), QStringLiteral("window"), QStringLiteral("--to"), file, QStringLiteral("--size"), QStringLiteral("1280x800"),
                                  QStringLiteral("--theme"), QStringLiteral("light"), QString::fromStdString(world.project.folder().string())});
            QVERIFY(child.waitForFinished(buildTimeoutMs));
            QVERIFY2(child.exitStatus() == QProcess::NormalExit && child.exitCode() == 0, child.readAllStandardError().constData());
            QImage image(file);
            QCOMPARE(image.size(), QSize(1280, 800) * scale);
            if (const QString pictures = qEnvironmentVariable("RETOSCOPE_SCREENSHOTS"); !pictures.isEmpty())
                QVERIFY(QDir().mkpath(pictures) && image.save(QStringLiteral("%1/scale-%2.png").arg(pictures).arg(scale)));
            image.setDevicePixelRatio(1);
            images[scale - 1] = image.convertToFormat(QImage::Format_RGB32).scaled(320, 200, Qt::IgnoreAspectRatio, Qt::SmoothTransformation);
        }
        QImage blank(images[0].size(), QImage::Format_RGB32);
        blank.fill(images[0].pixel(0, 0));
        const double apart = difference(images[0], images[1]), content = difference(images[0], blank);
        qInfo("mean difference of the grey values: %.2f; to an empty window: %.2f", apart, content);
        QVERIFY2(content > 4, "the window is empty");
        QVERIFY2(apart < content / 2, "at 200 % the window looks different");
    }
};

QTEST_MAIN(TestBadDays)
#include "tst_bad_days.moc"
