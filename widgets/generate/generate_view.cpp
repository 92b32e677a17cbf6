// SPDX-License-Identifier: GPL-3.0-or-later
#include "generate/generate_view.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "generate/continuation_text.h"
#include "generate/neighbours_model.h"
#include "ledger/command_line.h"
#include "shell/session.h"

#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QDoubleSpinBox>
#include <QFileInfo>
#include <QHeaderView>
#include <QLabel>
#include <QLocale>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QSpinBox>
#include <QSplitter>
#include <QStyledItemDelegate>
#include <QTableView>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>
#include <limits>

namespace retoscope {

namespace {

constexpr int gap = 8;
constexpr int promptLines = 3;
constexpr int widthForNumbers = 90; ///< characters; in a narrower view the contexts need the room
constexpr auto chosenByHand = "chosenByHand";

template<typename Box>
Box *makeBox(const QString &objectName, const QString &title, const QString &toolTip)
{
    auto *box = new Box;
    box->setObjectName(objectName);
    box->setAccessibleName(title);
    box->setToolTip(toolTip);
    return box;
}

/// The names of the ready artefacts of a kind; what was chosen stays chosen while it is there, else `preferred`.
void fill(QComboBox *combo, const ProjectSnapshot &project, ArtefactKind kind, const QString &preferred)
{
    const QString chosen = combo->property(chosenByHand).toBool() ? combo->currentText() : QString();
    const QSignalBlocker quiet(combo);
    combo->clear();
    for (const ArtefactRow &row : project.artefacts) {
        if (row.kind == kind && row.state == ArtefactState::Ready)
            combo->addItem(QString::fromStdString(row.name));
    }
    const int kept = combo->findText(chosen);
    combo->setCurrentIndex(kept >= 0 ? kept : std::max(0, combo->findText(preferred)));
}

/// The name of what a trace was made with.
QString inputName(const ProjectSnapshot &project, const std::string &trace, const char *role)
{
    const auto row = std::ranges::find_if(project.artefacts, [&](const ArtefactRow &a) { return a.kind == ArtefactKind::Trace && a.name == trace; });
    if (row == project.artefacts.end())
        return {};
    const auto input = std::ranges::find(row->inputs, role, &ArtefactInput::role);
    if (input == row->inputs.end())
        return {};
    const auto made = std::ranges::find(project.artefacts, input->artefact, &ArtefactRow::id);
    return made == project.artefacts.end() ? QString() : QString::fromStdString(made->name);
}

/// A context that ends at the value: what is cut is its beginning.
class LeftContextDelegate : public QStyledItemDelegate
{
public:
    using QStyledItemDelegate::QStyledItemDelegate;

protected:
    void initStyleOption(QStyleOptionViewItem *option, const QModelIndex &index) const override
    {
        QStyledItemDelegate::initStyleOption(option, index);
        option->textElideMode = Qt::ElideLeft;
    }
};

QString probability(double p)
{
    return QLocale().toString(p, 'f', 4);
}

} // namespace

GenerateView::GenerateView(Session &session, QWidget *parent)
    : View(session, QStringLiteral("generate"), tr("Generate"), parent),
      m_prompt(makeBox<QPlainTextEdit>(QStringLiteral("prompt"), tr("Prompt"), tr("The text to continue"))),
      m_model(makeBox<QComboBox>(QStringLiteral("model"), tr("Model"), tr("The language model"))),
      m_datastore(makeBox<QComboBox>(QStringLiteral("datastore"), tr("Datastore"), tr("Where neighbours are looked up"))),
      m_method(makeBox<QComboBox>(QStringLiteral("method"), tr("Method"), tr("The LM alone, with neighbours, or with the automaton that saves searches"))),
      m_decoding(makeBox<QComboBox>(QStringLiteral("decoding"), tr("Decoding"), tr("How the next token is chosen"))),
      m_maxTokens(makeBox<QSpinBox>(QStringLiteral("maxTokens"), tr("Most tokens"), tr("Longest continuation, tokens"))),
      m_seed(makeBox<QSpinBox>(QStringLiteral("seed"), tr("Seed"), tr("Seed of the sampling: the same seed gives the same text"))),
      m_beams(makeBox<QSpinBox>(QStringLiteral("beams"), tr("Beams"), tr("Hypotheses that are kept; the best one appears at the end"))),
      m_temperature(makeBox<QDoubleSpinBox>(QStringLiteral("temperature"), tr("Sampling temperature"), tr("Below 1: safer; above 1: bolder"))),
      m_topP(makeBox<QDoubleSpinBox>(QStringLiteral("topP"), tr("Top-p"), tr("Sample from the most probable tokens with this share"))),
      m_setting(new QLabel), m_state(new QLabel), m_token(new QLabel), m_go(new QPushButton), m_continuation(new ContinuationText),
      m_neighbours(new GeneratedNeighboursModel(this)), m_table(new QTableView)
{
    auto *splitter = new QSplitter(Qt::Vertical);
    splitter->setChildrenCollapsible(false);
    splitter->addWidget(m_continuation);
    splitter->addWidget(buildDetails());
    splitter->setStretchFactor(0, 3);
    splitter->setStretchFactor(1, 2);
    auto *layout = new QVBoxLayout(content());
    layout->setContentsMargins(gap, gap, gap, gap);
    layout->setSpacing(gap);
    layout->addWidget(buildPrompt());
    layout->addWidget(m_state);
    layout->addWidget(splitter, 1);

    addViewAction(tr("Generate, or stop generating"), QKeySequence(Qt::CTRL | Qt::Key_Return), [this] { startOrStop(); });
    addViewAction(tr("Copy the command that generates this"), {}, [this] {
        const GenerationRequest request = wantedRequest();
        QApplication::clipboard()->setText(QString::fromStdString(generateCommand(request.model, request.datastore, request.index, request.clusters, request.prompt, request.config)));
    });
    follow();
    showDecoding();
    showProject();
    showSettings();
    showToken(-1);
    showState();
}

GenerateView::~GenerateView() = default;

QWidget *GenerateView::buildPrompt()
{
    m_prompt->setPlaceholderText(tr("Write what the model shall continue."));
    m_prompt->setTabChangesFocus(true);
    m_prompt->setFixedHeight(m_prompt->fontMetrics().lineSpacing() * promptLines + 2 * gap);
    for (const Method method : {Method::Base, Method::KnnLm, Method::Retomaton})
        m_method->addItem(QString::fromUtf8(displayName(method)), int(method));
    m_method->setCurrentIndex(m_method->findData(int(Method::Retomaton)));
    m_decoding->addItem(tr("greedy"), QStringLiteral("greedy"));
    m_decoding->addItem(tr("sample"), QStringLiteral("sample"));
    m_decoding->addItem(tr("beam"), QStringLiteral("beam"));
    const GenerationConfig standard;
    m_maxTokens->setRange(1, 100'000);
    m_maxTokens->setValue(standard.maxNewTokens);
    m_maxTokens->setSuffix(tr(" tokens"));
    m_seed->setRange(0, std::numeric_limits<int>::max());
    m_seed->setValue(int(standard.seed));
    m_seed->setPrefix(tr("seed "));
    m_beams->setRange(1, 64);
    m_beams->setValue(standard.beams);
    m_beams->setSuffix(tr(" beams"));
    m_temperature->setRange(0.05, 10);
    m_temperature->setSingleStep(0.05);
    m_temperature->setValue(standard.samplingTemperature);
    m_temperature->setPrefix(tr("T "));
    m_topP->setRange(0.01, 1);
    m_topP->setSingleStep(0.05);
    m_topP->setValue(0.95);
    m_topP->setPrefix(tr("top-p "));
    m_go->setObjectName(QStringLiteral("go"));
    m_go->setDefault(true);
    m_setting->setForegroundRole(QPalette::PlaceholderText);
    m_setting->setWordWrap(true);
    m_setting->setToolTip(tr("λ, T, k, min_knns and the rest are those of the sweep view"));
    auto *change = new QPushButton(tr("C&hange…"));
    change->setToolTip(tr("Open the sweep view"));
    change->setFlat(true);
    connect(change, &QPushButton::clicked, this, [this] { session().showView(QStringLiteral("sweep")); });
    connect(m_decoding, &QComboBox::currentIndexChanged, this, &GenerateView::showDecoding);
    connect(m_method, &QComboBox::currentIndexChanged, this, &GenerateView::showSettings);
    connect(m_go, &QPushButton::clicked, this, &GenerateView::startOrStop);

    const auto row = [](std::initializer_list<QWidget *> widgets, QWidget *last = nullptr) {
        auto *layout = new QHBoxLayout;
        for (QWidget *widget : widgets)
            layout->addWidget(widget);
        layout->addStretch();
        if (last)
            layout->addWidget(last);
        return layout;
    };
    auto *artefacts = new QHBoxLayout;
    for (QComboBox *combo : {m_model, m_datastore}) {
        combo->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
        combo->setMinimumContentsLength(10);
        artefacts->addWidget(combo, 1);
        connect(combo, &QComboBox::activated, this, [this, combo] {
            combo->setProperty(chosenByHand, true);
            showSettings();
        });
    }
    auto *settingRow = new QHBoxLayout;
    settingRow->addWidget(m_setting, 1);
    settingRow->addWidget(change);
    auto *panel = new QWidget;
    auto *layout = new QVBoxLayout(panel);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(gap / 2);
    layout->addLayout(artefacts);
    layout->addWidget(m_prompt);
    layout->addLayout(row({m_method, m_decoding, m_maxTokens}, m_go));
    layout->addLayout(row({m_temperature, m_topP, m_seed, m_beams}));
    layout->addLayout(settingRow);
    return panel;
}

QWidget *GenerateView::buildDetails()
{
    m_token->setObjectName(QStringLiteral("token"));
    m_token->setWordWrap(true);
    m_token->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_state->setObjectName(QStringLiteral("state"));
    m_state->setWordWrap(true);
    m_state->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_table->setModel(m_neighbours);
    m_table->setAccessibleName(tr("Neighbours of the token"));
    m_table->setSelectionBehavior(QAbstractItemView::SelectRows);
    m_table->setAlternatingRowColors(true);
    m_table->setShowGrid(false);
    m_table->setWordWrap(false);
    m_table->setTextElideMode(Qt::ElideRight);
    m_table->verticalHeader()->hide();
    m_table->verticalHeader()->setDefaultSectionSize(fontMetrics().height() + gap);
    QHeaderView *header = m_table->horizontalHeader();
    header->setHighlightSections(false);
    header->setSectionResizeMode(QHeaderView::ResizeToContents); // few rows
    header->setSectionResizeMode(GeneratedNeighboursModel::Left, QHeaderView::Stretch);
    header->setSectionResizeMode(GeneratedNeighboursModel::Right, QHeaderView::Stretch);
    m_table->setItemDelegateForColumn(GeneratedNeighboursModel::Left, new LeftContextDelegate(m_table));
    auto *panel = new QWidget;
    auto *layout = new QVBoxLayout(panel);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(gap / 2);
    layout->addWidget(m_token);
    layout->addWidget(m_table, 1);
    return panel;
}

void GenerateView::follow()
{
    connect(&session(), &Session::projectChanged, this, &GenerateView::showProject);
    connect(&session(), &Session::traceChanged, this, &GenerateView::showProject);
    connect(&session(), &Session::settingsChanged, this, &GenerateView::showSettings);
    connect(m_continuation, &ContinuationText::focusedChanged, this, &GenerateView::showToken);
    connect(&m_generator, &Generator::arrived, this, &GenerateView::take);
    connect(&m_generator, &Generator::busyChanged, this, &GenerateView::showState);
    connect(&m_generator, &Generator::ended, this, [this](const QString &reason) {
        m_transcript.setEnd(reason);
        showState();
    });
    connect(&m_generator, &Generator::failed, this, [this](const QString &sentence) {
        m_transcript.setEnd(QStringLiteral("⚠ ") + sentence);
        showState();
    });
}

// ---- what is shown ----------------------------------------------------------------------------------------------------

void GenerateView::showProject()
{
    if (const auto &project = session().project()) {
        const std::string trace = session().trace() ? session().trace()->name() : std::string();
        fill(m_model, *project, ArtefactKind::Model, inputName(*project, trace, "model"));
        fill(m_datastore, *project, ArtefactKind::Datastore, inputName(*project, trace, "datastore"));
    }
    showSettings();
}

void GenerateView::showSettings()
{
    const GenerationRequest request = wantedRequest();
    const bool retrieves = request.config.retrieval.method != Method::Base;
    m_datastore->setEnabled(retrieves);
    m_setting->setText(retrieves ? QString::fromStdString(describe(request.config.retrieval)) : tr("no retrieval"));
    m_go->setEnabled(m_generator.isBusy() || m_model->count() > 0);
    m_go->setToolTip(m_model->count() > 0 ? QString() : tr("The project has no model yet; run the pipeline, or add one"));
}

void GenerateView::showDecoding()
{
    const QString decoding = m_decoding->currentData().toString();
    for (QWidget *widget : {static_cast<QWidget *>(m_temperature), static_cast<QWidget *>(m_topP), static_cast<QWidget *>(m_seed)})
        widget->setVisible(decoding == QLatin1String("sample"));
    m_beams->setVisible(decoding == QLatin1String("beam"));
}

void GenerateView::showState()
{
    const bool busy = m_generator.isBusy();
    m_go->setText(busy ? tr("&Stop") : tr("&Generate"));
    const auto count = std::int64_t(m_transcript.pieces().size());
    const QLocale locale;
    QStringList parts;
    if (count > 0)
        parts << tr("tokens %L1").arg(count);
    if (count > 0 && m_transcript.request().config.retrieval.method != Method::Base) {
        const std::int64_t saved = count - m_transcript.searches();
        parts << tr("searches %L1").arg(m_transcript.searches())
              << tr("saved %L1 (FoSS %2 %)").arg(saved).arg(locale.toString(double(saved) * 100 / double(count), 'f', 1));
    }
    if (count > 1 && m_seconds > 0)
        parts << tr("%1 tokens/s").arg(locale.toString(double(count - 1) / m_seconds, 'f', 1));
    if (busy)
        parts << (count > 0 ? tr("generating…") : m_transcript.request().config.decoding == "beam" ? tr("comparing beams; the best appears at the end…") : tr("opening the model…"));
    else if (!m_transcript.end().isEmpty())
        parts << m_transcript.end();
    m_state->setText(parts.isEmpty() ? tr("Write a prompt and press Generate: each token can then be opened down to the neighbours that made it.") : parts.join(QStringLiteral(" · ")));
    showSettings();
}

void GenerateView::showToken(int token)
{
    if (token < 0 || token >= int(m_transcript.pieces().size())) {
        m_neighbours->setPiece(std::nullopt);
        m_token->setText(tr("Hover over a generated token, or click it, to see what made it. Solid underline: searched; dotted: search saved."));
        return;
    }
    const GeneratedPiece &piece = m_transcript.pieces()[std::size_t(token)];
    const EvaluationSettings &settings = m_transcript.request().config.retrieval;
    QString text = tr("<b>%1</b>&nbsp; p %2 · LM %3").arg(visiblePiece(piece.text).toHtmlEscaped(), probability(std::exp(piece.token.logProb)), probability(std::exp(piece.token.lmLogProb)));
    if (settings.method != Method::Base)
        text += tr(" · kNN %1").arg(probability(piece.token.knnProbability));
    m_token->setText(text + QStringLiteral("<br>") + searchReason(piece, settings).toHtmlEscaped());
    m_neighbours->setPiece(piece);
}

void GenerateView::take(const std::vector<GeneratedPiece> &pieces)
{
    if (m_transcript.pieces().empty())
        m_clock.start();
    const bool retrieves = m_transcript.request().config.retrieval.method != Method::Base;
    for (const GeneratedPiece &piece : pieces) {
        const auto mark = !retrieves ? ContinuationText::Mark::None : piece.token.searched ? ContinuationText::Mark::Searched : ContinuationText::Mark::Saved;
        m_continuation->append(m_transcript.add(piece), mark);
    }
    m_seconds = double(m_clock.elapsed()) / 1000;
    showState();
}

// ---- what it does -----------------------------------------------------------------------------------------------------

GenerationRequest GenerateView::wantedRequest() const
{
    GenerationRequest request;
    request.project = session().projectFolder();
    request.model = m_model->currentText().toStdString();
    request.prompt = m_prompt->toPlainText().toStdString();
    GenerationConfig &config = request.config;
    config.retrieval = session().settings();
    config.retrieval.method = Method(m_method->currentData().toInt());
    config.retrieval.skipFraction = 0;
    if (config.retrieval.method != Method::Base) {
        request.datastore = m_datastore->currentText().toStdString();
        const auto &trace = session().trace();
        const bool sameDatastore = trace && session().project() && inputName(*session().project(), trace->name(), "datastore") == m_datastore->currentText();
        request.clusters = !config.retrieval.useClusters ? "none" : sameDatastore ? trace->clustersName() : std::string();
    }
    config.decoding = m_decoding->currentData().toString().toStdString();
    config.beams = m_beams->value();
    config.samplingTemperature = m_temperature->value();
    config.topP = m_topP->value();
    config.seed = std::uint64_t(m_seed->value());
    config.maxNewTokens = m_maxTokens->value();
    return request;
}

void GenerateView::startOrStop()
{
    if (m_generator.isBusy()) {
        m_generator.stop();
        return;
    }
    const GenerationRequest request = wantedRequest();
    m_transcript = Transcript(request);
    m_seconds = 0;
    m_continuation->begin(QString::fromStdString(request.prompt));
    m_generator.start(request);
}

void GenerateView::resizeEvent(QResizeEvent *event)
{
    View::resizeEvent(event);
    const bool narrow = width() < fontMetrics().averageCharWidth() * widthForNumbers;
    m_table->setColumnHidden(GeneratedNeighboursModel::Distance, narrow);
    m_table->setColumnHidden(GeneratedNeighboursModel::Entry, narrow);
}

bool GenerateView::isSettled() const
{
    return View::isSettled() && !m_generator.isBusy();
}

QStringList GenerateView::exportSuffixes() const
{
    return View::exportSuffixes() << QStringLiteral("md") << QStringLiteral("txt") << QStringLiteral("json");
}

void GenerateView::exportTo(const QString &file, const QSize &size)
{
    const QString suffix = QFileInfo(file).suffix().toLower();
    const bool asText = suffix == QLatin1String("md") || suffix == QLatin1String("txt") || suffix == QLatin1String("json");
    if (!asText) {
        View::exportTo(file, size);
        return;
    }
    if (m_transcript.pieces().empty())
        fail(ErrorKind::NotFound, "Nothing has been generated yet; write a prompt and press Generate.");
    const QString text = suffix == QLatin1String("md") ? m_transcript.toMarkdown() : suffix == QLatin1String("json") ? m_transcript.toJson() : m_transcript.toPlainText();
    writeFileAtomically(file.toStdString(), text.toStdString());
}

} // namespace retoscope
