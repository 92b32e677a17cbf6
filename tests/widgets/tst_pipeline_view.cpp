// SPDX-License-Identifier: GPL-3.0-or-later
#include <QtTest> // before the core: moc 6.4 cannot parse <compare> first

#include "pipeline/drop.h"
#include "pipeline/pipeline_view.h"
#include "pipeline/stage_card.h"
#include "pipeline/work_dialog.h"
#include "shell/session.h"

#include "core/ledger/project_world.h"

#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QMimeData>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QTemporaryDir>
#include <QToolButton>

#include <fstream>

using namespace retoscope;
using namespace retoscope::test;

namespace {

/// "Corpus ● ready corpus [Run]; …"
QString printed(const PipelineView &view)
{
    QStringList cards;
    for (const Stage stage : allStages) {
        const CardContent &content = view.card(stage).content();
        QString text = QStringLiteral("%1 %2 %3").arg(content.title, glyphOf(content.look), content.state);
        if (content.action != CardContent::Action::None)
            text += QStringLiteral(" [%1]").arg(textOf(content.action));
        cards << text;
    }
    return cards.join(QStringLiteral("; "));
}

QString write(const QTemporaryDir &folder, const char *name, const char *text)
{
    const QString file = folder.filePath(QString::fromLatin1(name));
    QDir().mkpath(QFileInfo(file).path());
    std::ofstream(file.toStdString()) << text;
    return file;
}

JobInfo jobOf(const Work &work, JobInfo::State state)
{
    JobInfo job;
    job.id = 1;
    job.state = state;
    job.work = std::make_shared<const Work>(work);
    return job;
}

/// A fresh empty project and a view on it.
struct EmptyWorld
{
    QTemporaryDir folder;
    std::filesystem::path project = std::filesystem::path(folder.path().toStdString()) / "project";
    Session session;
    std::unique_ptr<PipelineView> view;

    EmptyWorld()
    {
        Project::create(project);
        session.openProject(project);
        view = std::make_unique<PipelineView>(session);
        view->resize(1280, 130);
        view->QWidget::show();
    }
    [[nodiscard]] WorkDialog *dialog() const { return view->findChild<WorkDialog *>(); }
    [[nodiscard]] QWidget *field(const char *name) const { return dialog()->findChild<QWidget *>(QString::fromLatin1(name)); }
    void type(const char *name, const QString &text) const
    {
        QWidget *editor = field(name);
        if (auto *line = qobject_cast<QLineEdit *>(editor))
            line->setText(text);
        else if (auto *box = qobject_cast<QComboBox *>(editor))
            box->isEditable() ? box->setCurrentText(text) : box->setCurrentIndex(box->findData(text));
        else
            editor->findChild<QPlainTextEdit *>()->setPlainText(text);
    }
};

} // namespace

class TestPipelineView : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { QLocale::setDefault(QLocale(QLocale::English, QLocale::UnitedStates)); }

    void withoutAProjectItSaysWhatToDo()
    {
        Session session;
        PipelineView view(session);
        view.QWidget::show();
        QVERIFY(!view.card(Stage::Corpus).isVisible());
    }

    void cardsOfAnEmptyProject()
    {
        const EmptyWorld world;
        QTRY_VERIFY(world.view->isSettled());
        QCOMPARE(printed(*world.view), QStringLiteral("Corpus ○ missing [Add…]; Model ○ missing [Add…]; Datastore ◌ waiting for input; Index ◌ waiting for input; "
                                                      "Clusters ◌ waiting for input; Trace ◌ waiting for input; Sweep · FoSS ◌ waiting for input"));
        QVERIFY(world.view->minimumSizeHint().width() <= 1280);
        QVERIFY2(world.view->minimumSizeHint().height() <= 130, qPrintable(QString::number(world.view->minimumSizeHint().height())));
    }

    void cardsOfAProject()
    {
        const ProjectWorld project;
        Session session;
        session.openProject(project.project.folder());
        PipelineView view(session);
        QTRY_VERIFY(view.isSettled());
        QCOMPARE(printed(view), QStringLiteral("Corpus ● ready; Model ○ missing [Add…]; Datastore ● ready; Index ● ready; Clusters ● ready; Trace ● ready; Sweep · FoSS ○ missing [Run]"));
        QCOMPARE(view.card(Stage::Clusters).content().name, QStringLiteral("clusters"));
    }

    void jobsAreSeenOnTheirCards()
    {
        StageStatus status;
        status.stage = Stage::Index;
        JobInfo job = jobOf(Work{WorkKind::BuildIndex}, JobInfo::State::Running);
        job.progress = {"training the index", "keys", 250, 1000, "iteration 3"};
        job.rate = 1234;
        job.remainingSeconds = 61;
        QVERIFY(stageOf(job) == Stage::Index);
        auto card = cardContent(status, &job);
        QCOMPARE(card.progress, 0.25);
        QCOMPARE(card.figures, QStringLiteral("25 % · 1,234 keys/s · 1 min 01 s left"));
        QCOMPARE(card.detail, QStringLiteral("training the index"));
        QVERIFY(card.isBusy() && card.action == CardContent::Action::None);
        job.state = JobInfo::State::Paused;
        QCOMPARE(cardContent(status, &job).state, QStringLiteral("paused"));
        job.state = JobInfo::State::Failed;
        job.message = QStringLiteral("It cannot be.");
        card = cardContent(status, &job);
        QCOMPARE(card.detail, QStringLiteral("It cannot be."));
        QVERIFY(!card.isBusy() && card.action == CardContent::Action::Retry);
        JobInfo all = jobOf(Work{WorkKind::RunProject}, JobInfo::State::Running);
        for (const char *name : {"corpus", "model", "tokens", "datastore", "index", "clusters", "trace of test", "tuning kNN-LM", "FoSS curve"})
            all.stages.push_back({name, PipelineStage::State::Waiting, 0, {}});
        QVERIFY(!stageOf(all));
        const Stage expected[] = {Stage::Corpus, Stage::Model, Stage::Model, Stage::Datastore, Stage::Index, Stage::Clusters, Stage::Trace, Stage::Curves, Stage::Curves};
        for (std::size_t i = 0; i < all.stages.size(); ++i) {
            all.stages[i].state = PipelineStage::State::Running;
            QVERIFY(stageOf(all) == expected[i]);
            all.stages[i].state = PipelineStage::State::Done;
        }
    }

    void stagesShowWhatTheyNeedAndCost()
    {
        StageStatus status;
        status.stage = Stage::Clusters;
        status.next = Work{WorkKind::BuildClusters};
        status.forecast = Forecast{"the clustering", "1 entry", 8'000'000, 2'000'000'000, 185};
        auto card = cardContent(status, nullptr);
        QCOMPARE(card.figures, QStringLiteral("≈ 3 min 05 s · 8.0 MB disk · 2.0 GB memory"));
        QVERIFY(card.action == CardContent::Action::Run);
        status.state = StageStatus::State::Stale;
        status.reasons = {"The datastore changed."};
        status.renewal = {Work{WorkKind::BuildClusters}};
        card = cardContent(status, nullptr);
        QCOMPARE(card.state, QStringLiteral("stale: the input changed"));
        QCOMPARE(card.detail, QStringLiteral("The datastore changed."));
        QVERIFY(card.action == CardContent::Action::Renew);
    }

    void corpusIsAddedByItsForm()
    {
        EmptyWorld world;
        QTRY_VERIFY(world.view->isSettled());
        const QString text = write(world.folder, "text.txt", "first one\n\nsecond\n\nthird\n");
        QTest::mouseClick(world.view->card(Stage::Corpus).findChild<QToolButton *>(QStringLiteral("action")), Qt::LeftButton);
        QVERIFY(world.dialog());
        // Nothing is filled in: every required field says so, and nothing is started.
        QTest::mouseClick(world.field("start"), Qt::LeftButton);
        QVERIFY(world.dialog()->sentenceOf(QStringLiteral("paths")).contains(QStringLiteral("missing")));
        QVERIFY(world.dialog()->sentenceOf(QStringLiteral("name")).contains(QStringLiteral("missing")));
        QVERIFY(world.session.jobs().jobs().empty());
        world.type("paths", QStringLiteral("/not/there"));
        QTRY_COMPARE(world.dialog()->sentenceOf(QStringLiteral("paths")), QStringLiteral("⚠ /not/there does not exist; choose it again."));
        world.type("paths", text);
        world.type("name", QStringLiteral("texts"));
        world.type("kind", QStringLiteral("blank-lines"));
        world.type("split", QStringLiteral("train=0.8"));
        QTRY_VERIFY(world.dialog()->sentenceOf(QStringLiteral("split")).contains(QStringLiteral("add up to 0.8")));
        world.type("split", QString());
        QTRY_VERIFY(world.dialog()->isSettled());
        QCOMPARE(world.dialog()->sentenceOf(QStringLiteral("split")), QString());
        QVERIFY(world.dialog()->findChild<QPlainTextEdit *>(QStringLiteral("corpusPreview"))->toPlainText().startsWith(QStringLiteral("3 document(s) found")));
        QCOMPARE(world.dialog()->findChild<QLineEdit *>(QStringLiteral("command"))->text(),
                 QStringLiteral("retoscope-cli corpus add %1 --name texts --kind blank-lines --project %2").arg(text, QString::fromStdString(world.project.string())));
        QVERIFY(!world.dialog()->findChild<QLabel *>(QStringLiteral("forecast"))->text().isEmpty());
        QTest::keyClick(world.dialog(), Qt::Key_Return);
        QTRY_VERIFY(!world.session.jobs().jobs().empty());
        QTRY_COMPARE(world.session.jobs().jobs().back().state, JobInfo::State::Done);
        QTRY_VERIFY(printed(*world.view).startsWith(QStringLiteral("Corpus ● ready")));
        QCOMPARE(world.view->card(Stage::Corpus).content().name, QStringLiteral("texts"));
    }

    void emptyCorpusIsASentence()
    {
        EmptyWorld world;
        QTRY_VERIFY(world.view->isSettled());
        const QString text = write(world.folder, "empty.txt", "");
        WorkDialog *dialog = WorkDialog::open(world.session, Work{WorkKind::AddCorpus, {{"paths", {text.toStdString()}}, {"name", "none"}}}, world.view.get());
        QTRY_VERIFY(dialog->isSettled());
        QVERIFY(dialog->findChild<QPlainTextEdit *>(QStringLiteral("corpusPreview"))->toPlainText().startsWith(QStringLiteral("⚠")));
        dialog->accept();
        QTRY_VERIFY(printed(*world.view).startsWith(QStringLiteral("Corpus ✕ failed [Try again]")));
        QVERIFY(!world.view->card(Stage::Corpus).content().detail.isEmpty());
        // Mended, the same button tries again.
        write(world.folder, "empty.txt", "no longer\n");
        QTest::mouseClick(world.view->card(Stage::Corpus).findChild<QToolButton *>(QStringLiteral("action")), Qt::LeftButton);
        QTRY_VERIFY(printed(*world.view).startsWith(QStringLiteral("Corpus ● ready")));
    }

    void formsKeepWhatTheyAreGiven_data()
    {
        QTest::addColumn<QString>("command");
        for (const char *command : {"retoscope-cli index build --datastore datastore --factory IVF4,Flat --train-sample 100 --seed 3",
                                    "retoscope-cli cluster build --datastore datastore --states 16 --iterations 5 --force",
                                    "retoscope-cli foss --trace trace --points 5 --lambda 0.3 --k 16 --min-knns inf --clusters none --no-pointers",
                                    "retoscope-cli sweep --trace trace --grid lambda=0.1,0.2 --temperature 2.5 --k 16",
                                    "retoscope-cli trace record --model m --corpus corpus:test --datastore datastore --index index --k 8 --compute bf16"})
            QTest::newRow(command) << QString::fromUtf8(command);
    }

    void formsKeepWhatTheyAreGiven()
    {
        QFETCH(QString, command);
        const ProjectWorld project;
        Session session;
        session.openProject(project.project.folder());
        QTRY_VERIFY(session.project());
        const auto work = workFromCommand(command.toStdString());
        QVERIFY(work);
        const WorkDialog dialog(session, *work);
        QCOMPARE(QString::fromStdString(commandOf(dialog.work())), command);
    }

    void wrongNumbersAreSaidBesideTheField()
    {
        const ProjectWorld project;
        Session session;
        session.openProject(project.project.folder());
        QTRY_VERIFY(session.project());
        WorkDialog dialog(session, Work{WorkKind::BuildClusters});
        QCOMPARE(dialog.work().text("datastore"), std::string("datastore")); // the newest is chosen
        dialog.accept();
        QVERIFY(dialog.sentenceOf(QStringLiteral("states")).contains(QStringLiteral("missing")));
        dialog.findChild<QLineEdit *>(QStringLiteral("states"))->setText(QStringLiteral("many"));
        QTRY_COMPARE(dialog.sentenceOf(QStringLiteral("states")), QStringLiteral("⚠ States must be a number."));
        dialog.findChild<QLineEdit *>(QStringLiteral("states"))->setText(QStringLiteral("0"));
        QTRY_VERIFY(dialog.sentenceOf(QStringLiteral("states")).contains(QStringLiteral("from 1")));
        dialog.findChild<QLineEdit *>(QStringLiteral("states"))->setText(QStringLiteral("4"));
        QTRY_VERIFY(dialog.isSettled() && dialog.sentenceOf(QStringLiteral("states")).isEmpty());
        QVERIFY(dialog.findChild<QLabel *>(QStringLiteral("forecast"))->text().contains(QStringLiteral("4 states")));
        dialog.accept();
        QTRY_COMPARE(session.jobs().jobs().back().state, JobInfo::State::Done);
    }

    void dropsAreUnderstood()
    {
        const QTemporaryDir folder;
        const auto url = [&](const QString &file) { return QUrl::fromLocalFile(file); };
        const QString text = write(folder, "notes.txt", "text");
        const QString lines = write(folder, "data/lines.jsonl", "{\"text\": \"x\"}\n");
        write(folder, "gpt2/config.json", "{}");
        const QString weights = write(folder, "stories.bin", "0");
        const QString other = write(folder, "other.json", "{}");
        const auto model = workForDrop({url(folder.filePath(QStringLiteral("gpt2/")))});
        QVERIFY(model && model->kind == WorkKind::AddModel);
        QCOMPARE(model->text("name"), std::string("gpt2"));
        QVERIFY(workForDrop({url(weights)})->kind == WorkKind::AddModel);
        const auto corpus = workForDrop({url(text), url(lines)});
        QVERIFY(corpus && corpus->kind == WorkKind::AddCorpus);
        QCOMPARE(corpus->value("paths").size(), std::size_t(2));
        QVERIFY(workForDrop({url(folder.filePath(QStringLiteral("data")))})->kind == WorkKind::AddCorpus);
        QVERIFY(!workForDrop({url(other)}));
        QVERIFY(!workForDrop({url(QStringLiteral("/not/there"))}));
        QVERIFY(!workForDrop({QUrl(QStringLiteral("https://example.org/a.txt"))}));
        QVERIFY(!workForDrop({}));
    }

    void aDropOpensTheFormFilledIn()
    {
        EmptyWorld world;
        QTRY_VERIFY(world.view->isSettled());
        const QString text = write(world.folder, "dropped.txt", "something");
        QMimeData data;
        data.setUrls({QUrl::fromLocalFile(text)});
        QDragEnterEvent enter(QPoint(10, 10), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(world.view.get(), &enter);
        QVERIFY(enter.isAccepted());
        QDropEvent drop(QPointF(10, 10), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(world.view.get(), &drop);
        QVERIFY(world.dialog());
        QCOMPARE(world.dialog()->work().text("name"), std::string("dropped"));
        Session closed;
        QVERIFY(!offerDrop(closed, data.urls(), nullptr)); // no project is open
    }

    void runAllGoesThroughWhatIsMissing()
    {
        ProjectWorld project;
        const auto other = project.makeDatastore("other", 12);
        Session session;
        session.openProject(project.project.folder());
        PipelineView view(session);
        view.QWidget::show();
        QTRY_VERIFY(view.isSettled());
        QVERIFY(view.card(Stage::Index).content().action == CardContent::Action::Run);
        QTRY_VERIFY(session.project());
        // The model of this world is not on disk: its card asks for one, the others run.
        view.runAll();
        QTRY_VERIFY(view.card(Stage::Index).content().look == CardContent::Look::Ready);
        QTRY_VERIFY_WITH_TIMEOUT(view.card(Stage::Clusters).content().look == CardContent::Look::Ready, 10000);
    }

    void runAllOfADescriptionThatIsNotThereFails()
    {
        EmptyWorld world;
        QTRY_VERIFY(world.view->isSettled());
        world.session.setDescription("/not/there/project.json");
        QTest::mouseClick(world.view->findChild<QToolButton *>(QStringLiteral("runAll")), Qt::LeftButton);
        QTRY_COMPARE(world.session.jobs().jobs().back().state, JobInfo::State::Failed);
        QVERIFY(world.session.jobs().jobs().back().message.contains(QStringLiteral("/not/there/project.json")));
        QVERIFY(world.view->findChild<QToolButton *>(QStringLiteral("runAll"))->isEnabled());
    }

    void runningStagesArePausedAndCancelledOnTheCard()
    {
        EmptyWorld world;
        QTRY_VERIFY(world.view->isSettled());
        // Holds the queue, so that the corpus waits.
        const int blocker = world.session.jobs().enqueue(QStringLiteral("blocker"), world.project, [](Project &, JobControl &control) -> JobResult {
            for (;;) {
                control.checkpoint();
                QThread::msleep(1);
            }
        });
        const QString text = write(world.folder, "text.txt", "one");
        world.session.jobs().enqueue(Work{WorkKind::AddCorpus, {{"paths", {text.toStdString()}}, {"name", "x"}}}, world.project, {});
        StageCard &card = world.view->card(Stage::Corpus);
        QTRY_VERIFY(card.content().look == CardContent::Look::Waiting);
        card.setFocus();
        QTest::keyClick(&card, Qt::Key_Delete);
        QCOMPARE(world.session.jobs().jobs().back().state, JobInfo::State::Cancelled);
        QVERIFY(world.view->findChild<QToolButton *>(QStringLiteral("cancelAll"))->isVisible());
        QTest::mouseClick(world.view->findChild<QToolButton *>(QStringLiteral("cancelAll")), Qt::LeftButton);
        QTRY_COMPARE(world.session.jobs().job(blocker)->state, JobInfo::State::Cancelled);
        QTRY_VERIFY(!world.view->findChild<QToolButton *>(QStringLiteral("cancelAll"))->isVisible());
    }

    void menusOfferEverything()
    {
        const ProjectWorld project;
        Session session;
        session.openProject(project.project.folder());
        PipelineView view(session);
        QTRY_VERIFY(view.isSettled());
        const auto texts = [&](Stage stage) {
            Q_EMIT view.card(stage).menuAboutToShow();
            QStringList entries;
            for (const QAction *action : view.card(stage).menu().actions())
                entries << action->text();
            return entries.join(QStringLiteral(", "));
        };
        QCOMPARE(texts(Stage::Model), QStringLiteral("Add…, Import a model…, Train a tokenizer…, Train or fine-tune a model…"));
        QCOMPARE(texts(Stage::Curves), QStringLiteral("Run, Draw the FoSS curve…, Sweep a grid…, Evaluate live…, Copy command"));
        QVERIFY(texts(Stage::Trace).startsWith(QStringLiteral("Configure…, Open in the views")));
    }

    void aTraceThatGrowsIsPublished()
    {
        const ProjectWorld project;
        Session session;
        session.openProject(project.project.folder());
        QSignalSpy grown(&session, &Session::liveChanged);
        auto progress = std::make_shared<LiveProgress>();
        progress->name = "trace";
        Q_EMIT session.jobs().liveProgress(progress);
        QCOMPARE(session.live().get(), progress.get());
        session.jobs().enqueue(QStringLiteral("ends"), project.project.folder(), [](Project &, JobControl &) { return QString(); });
        QTRY_VERIFY(!session.live()); // nothing grows when the job has ended
        QCOMPARE(grown.count(), 2);
    }
};

QTEST_MAIN(TestPipelineView)
#include "tst_pipeline_view.moc"
