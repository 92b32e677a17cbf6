// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/text_view.h"

#include "explore/histogram_legend.h"

#include <QAction>
#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QLocale>
#include <QScrollArea>
#include <QScrollBar>
#include <QSplitter>
#include <QTimer>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace retoscope {

namespace {

constexpr std::size_t landmarkCount = 500;
constexpr std::size_t matchLimit = 10'000;
constexpr std::int64_t contextTokens = 8; // on a card, before the token
constexpr int controlGap = 6;

constexpr Landmark landmarkOrder[] = {Landmark::MostHelped, Landmark::MostHurt, Landmark::LongestSavedRun, Landmark::SearchAfterLongRun};

QString landmarkName(Landmark kind)
{
    switch (kind) {
    case Landmark::MostHelped:
        return QObject::tr("Most helped");
    case Landmark::MostHurt:
        return QObject::tr("Most hurt");
    case Landmark::LongestSavedRun:
        return QObject::tr("Longest saved run");
    case Landmark::SearchAfterLongRun:
        return QObject::tr("Search after a long run");
    }
    return {};
}

std::vector<Underline> underlinesOf(const EvaluationResult &result)
{
    std::vector<Underline> underlines(result.searched.size());
    for (std::size_t i = 0; i < underlines.size(); ++i)
        underlines[i] = result.searched[i] ? Underline::Solid : (result.candidates[i] > 0 ? Underline::Dotted : Underline::None);
    return underlines;
}

/// What the second strip is coloured by; not in the registry, as it needs two evaluations.
Measure differenceMeasure()
{
    Measure measure;
    measure.id = "difference";
    measure.name = "log p(now) − log p(kept)";
    measure.unit = "nats";
    measure.scale = MeasureScale::Diverging;
    return measure;
}

QToolButton *makeButton(const QString &text, const QString &tip)
{
    auto *button = new QToolButton;
    button->setText(text);
    button->setToolTip(tip);
    button->setAccessibleName(tip);
    return button;
}

} // namespace

TextView::TextView(Session &session, QWidget *parent)
    : ExploreView(session, QStringLiteral("text"), tr("Text"), parent), m_document(new QComboBox), m_measure(new QComboBox), m_landmark(new QComboBox),
      m_marks(makeButton(QStringLiteral("¶"), tr("Show spaces and newlines as marks"))), m_compare(makeButton(tr("Compare"), tr("Keep this setting and see below what another one changes"))),
      m_previous(makeButton(QStringLiteral("◀"), tr("Previous place"))), m_next(makeButton(QStringLiteral("▶"), tr("Next place"))), m_jumpCount(new QLabel),
      m_findCount(new QLabel), m_note(new QLabel), m_needle(new QLineEdit), m_strips(new QSplitter(Qt::Vertical)), m_cards(new QScrollArea)
{
    setInvitation(tr("Here the evaluation text is read: every token coloured by what retrieval changed."));
    m_main = buildStrip(tr("Evaluation text"));
    m_compared = buildStrip(tr("Compared with the kept setting"));
    m_hover = new HoverCard(m_main.area->viewport());
    m_strips->addWidget(m_main.box);
    m_strips->addWidget(m_compared.box);
    m_strips->setChildrenCollapsible(false);
    m_compared.box->hide();
    m_main.caption->hide();

    auto *layout = new QVBoxLayout(content());
    layout->setContentsMargins(0, controlGap, 0, 0);
    layout->setSpacing(controlGap);
    auto *controls = new QHBoxLayout;
    controls->setContentsMargins(controlGap, 0, controlGap, 0);
    buildControls(controls);
    layout->addLayout(controls);
    m_note->setObjectName(QStringLiteral("note"));
    m_note->setContentsMargins(controlGap, 0, controlGap, 0);
    m_note->setTextInteractionFlags(Qt::LinksAccessibleByMouse | Qt::LinksAccessibleByKeyboard);
    connect(m_note, &QLabel::linkActivated, this, [this] { watchLive(true); });
    connect(&session, &Session::liveChanged, this, &TextView::updateNote);
    layout->addWidget(m_note);
    layout->addWidget(m_strips, 1);
    m_findBar = buildFindBar();
    layout->addWidget(m_findBar);
    layout->addWidget(buildCards());
    buildActions();

    m_painting.onAnswer([this](Painting painting) { applyPainting(std::move(painting)); });
    m_painting.onFailure([this](const QString &sentence) { showError(sentence); });
    m_finding.onAnswer([this](Found found) {
        m_finder = std::move(found.finder);
        m_matches = std::move(found.matches);
        m_matchAt = -1;
        m_main.area->setMatches(m_matches);
        m_compared.area->setMatches(m_matches);
        showMatch(1);
    });
    // The two strips have the same lines: they scroll as one, while both are to be seen.
    m_compared.area->setFollowsPrimary(false);
    for (auto [from, to] : {std::pair(m_main.area, m_compared.area), std::pair(m_compared.area, m_main.area)}) {
        connect(from->verticalScrollBar(), &QScrollBar::valueChanged, to->verticalScrollBar(), [this, bar = to->verticalScrollBar()](int value) {
            if (!m_compared.box->isHidden())
                bar->setValue(value);
        });
    }
    connect(m_main.area, &TokenTextArea::visiblePositionsChanged, this, [this] {
        updateLegend(m_main);
        updateDocument();
    });
    connect(m_main.area->verticalScrollBar(), &QScrollBar::valueChanged, m_hover, &QWidget::hide);
    connect(m_compared.area, &TokenTextArea::visiblePositionsChanged, this, [this] { updateLegend(m_compared); });
    connect(m_main.area, &TokenTextArea::tokenHovered, this, &TextView::updateFacts);
    connect(&session.selection(), &Selection::pinnedChanged, this, &TextView::updateCards);
    connect(&session.selection(), &Selection::primaryChanged, this, &TextView::updateCards);
    start();
}

TextView::~TextView() = default;

bool TextView::isSettled() const
{
    return ExploreView::isSettled() && !m_painting.isBusy() && !m_finding.isBusy() && m_main.area->isLaidOut();
}

TextView::Strip TextView::buildStrip(const QString &name)
{
    Strip strip;
    strip.box = new QWidget;
    strip.caption = new QLabel;
    strip.caption->setContentsMargins(controlGap, 0, controlGap, 0);
    strip.caption->setTextInteractionFlags(Qt::TextSelectableByMouse);
    strip.legend = new HistogramLegend;
    strip.area = new TokenTextArea(session().selection());
    strip.area->setAccessibleName(name);
    strip.area->setObjectName(name);
    strip.area->setDescription([this](Position position) { return spokenFacts(factsOf(position)); });
    strip.area->setZoom(0);
    auto *layout = new QVBoxLayout(strip.box);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(2);
    layout->addWidget(strip.caption);
    layout->addWidget(strip.legend);
    layout->addWidget(strip.area, 1);
    return strip;
}

void TextView::buildControls(QHBoxLayout *row)
{
    m_document->setAccessibleName(tr("Document"));
    m_document->setToolTip(tr("Go to a document"));
    m_document->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    m_document->setMinimumContentsLength(10);
    m_document->setMaxVisibleItems(24);
    row->addWidget(m_document, 2);
    for (const Measure &measure : measures())
        m_measure->addItem(QString::fromStdString(measure.name), QString::fromStdString(measure.id));
    m_measure->setAccessibleName(tr("Colour by"));
    m_measure->setToolTip(tr("What the colours show"));
    m_measure->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    m_measure->setMinimumContentsLength(18);
    row->addWidget(m_measure, 3);
    row->addWidget(buildJumps(), 2);
    m_marks->setCheckable(true);
    m_marks->setChecked(true);
    m_compare->setCheckable(true);
    row->addWidget(m_marks);
    row->addWidget(m_compare);
    connect(m_document, &QComboBox::activated, this, &TextView::chooseDocument);
    connect(m_measure, &QComboBox::currentIndexChanged, this, &TextView::repaintText);
    connect(m_marks, &QToolButton::toggled, this, [this](bool visible) {
        m_main.area->setMarksVisible(visible);
        m_compared.area->setMarksVisible(visible);
    });
    connect(m_compare, &QToolButton::clicked, this, &TextView::setComparing);
    const std::pair<Strip *, bool> strips[] = {{&m_main, true}, {&m_compared, false}};
    for (const auto &[strip, chosen] : strips) {
        connect(strip->legend, &HistogramLegend::boundsChanged, this, [this, s = strip](double low, double high) {
            m_bounds[QString::fromStdString(s->measure.id)] = {low, high};
            s->scale.setBounds(low, high);
            s->area->setScale(s->scale);
        });
        connect(strip->legend, &HistogramLegend::resetRequested, this, [this, s = strip] {
            m_bounds.remove(QString::fromStdString(s->measure.id));
            repaintText();
        });
    }
}

QWidget *TextView::buildJumps()
{
    auto *box = new QWidget;
    auto *row = new QHBoxLayout(box);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(1);
    for (const Landmark kind : landmarkOrder)
        m_landmark->addItem(landmarkName(kind));
    m_landmark->setAccessibleName(tr("Jump to"));
    m_landmark->setToolTip(tr("Places worth reading: choose which, then step through them with ◀ ▶ (Shift+N, N)"));
    m_landmark->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    m_landmark->setMinimumContentsLength(10);
    m_jumpCount->setMinimumWidth(fontMetrics().horizontalAdvance(QStringLiteral("000/000")));
    m_jumpCount->setAlignment(Qt::AlignCenter);
    row->addWidget(m_landmark, 1);
    row->addWidget(m_previous);
    row->addWidget(m_jumpCount);
    row->addWidget(m_next);
    connect(m_landmark, &QComboBox::activated, this, [this](int index) { chooseLandmark(landmarkOrder[index]); });
    connect(m_previous, &QToolButton::clicked, this, [this] { jump(-1); });
    connect(m_next, &QToolButton::clicked, this, [this] { jump(1); });
    return box;
}

QWidget *TextView::buildFindBar()
{
    auto *bar = new QWidget;
    bar->setObjectName(QStringLiteral("findBar"));
    auto *row = new QHBoxLayout(bar);
    row->setContentsMargins(controlGap, 0, controlGap, 0);
    m_needle->setPlaceholderText(tr("Find in the text"));
    m_needle->setAccessibleName(tr("Find in the text"));
    m_needle->setClearButtonEnabled(true);
    auto *previous = makeButton(QStringLiteral("▲"), tr("Previous match (Shift+F3)"));
    auto *next = makeButton(QStringLiteral("▼"), tr("Next match (F3)"));
    auto *close = makeButton(QStringLiteral("✕"), tr("Close (Esc)"));
    close->setAutoRaise(true);
    row->addWidget(m_needle, 1);
    row->addWidget(m_findCount);
    for (QToolButton *button : {previous, next, close})
        row->addWidget(button);
    connect(m_needle, &QLineEdit::textChanged, this, &TextView::search);
    connect(m_needle, &QLineEdit::returnPressed, this, [this] { showMatch(1); });
    connect(previous, &QToolButton::clicked, this, [this] { showMatch(-1); });
    connect(next, &QToolButton::clicked, this, [this] { showMatch(1); });
    connect(close, &QToolButton::clicked, this, &TextView::closeFindBar);
    auto *escape = new QAction(bar);
    escape->setShortcut(Qt::Key_Escape);
    escape->setShortcutContext(Qt::WidgetWithChildrenShortcut);
    connect(escape, &QAction::triggered, this, &TextView::closeFindBar);
    bar->addAction(escape);
    bar->hide();
    return bar;
}

QWidget *TextView::buildCards()
{
    auto *row = new QWidget;
    m_cardRow = new QHBoxLayout(row);
    m_cardRow->setContentsMargins(controlGap, 2, controlGap, 2);
    m_cardRow->addStretch();
    m_cards->setObjectName(QStringLiteral("pinnedCards"));
    m_cards->setAccessibleName(tr("Pinned tokens"));
    m_cards->setFrameShape(QFrame::NoFrame);
    m_cards->setWidgetResizable(true);
    m_cards->setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_cards->setWidget(row);
    m_cards->hide();
    return m_cards;
}

void TextView::buildActions()
{
    addViewAction(tr("Find in the text"), QKeySequence::Find, [this] { openFindBar(); });
    addViewAction(tr("Next match"), QKeySequence(Qt::Key_F3), [this] { showMatch(1); });
    addViewAction(tr("Previous match"), QKeySequence(Qt::SHIFT | Qt::Key_F3), [this] { showMatch(-1); });
    for (const Landmark kind : landmarkOrder)
        addViewAction(tr("Jump to: %1").arg(landmarkName(kind)), {}, [this, kind] { chooseLandmark(kind); });
    addViewAction(tr("Next place of this kind"), QKeySequence(Qt::Key_N), [this] { jump(1); });
    addViewAction(tr("Previous place of this kind"), QKeySequence(Qt::SHIFT | Qt::Key_N), [this] { jump(-1); });
    addViewAction(tr("Show spaces and newlines as marks"), QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_8), [this] { m_marks->toggle(); });
    addViewAction(tr("Compare with this setting"), QKeySequence(Qt::Key_C), [this] { m_compare->click(); });
    const auto zoom = [this](int by) {
        m_main.area->setZoom(by == 0 ? 0 : m_main.area->zoom() + by);
        m_compared.area->setZoom(m_main.area->zoom());
    };
    addViewAction(tr("Larger text"), QKeySequence::ZoomIn, [zoom] { zoom(1); });
    addViewAction(tr("Smaller text"), QKeySequence::ZoomOut, [zoom] { zoom(-1); });
    addViewAction(tr("Usual text size"), QKeySequence(Qt::CTRL | Qt::Key_0), [zoom] { zoom(0); });
}

void TextView::setMeasure(const QString &id)
{
    const int index = m_measure->findData(id);
    if (index >= 0)
        m_measure->setCurrentIndex(index);
}

void TextView::showTrace(const std::shared_ptr<const TraceSession> &trace)
{
    m_liveName.clear();
    m_bounds.clear();
    m_finder.reset();
    m_matches.clear();
    m_landmarks.clear();
    closeFindBar();
    fillDocuments(trace->documents());
    updateNote();
    const TokenStream stream = tokenStreamOf(trace);
    m_main.area->setStream(stream);
    m_compared.area->setStream(stream);
    updateJumps();
}

void TextView::fillDocuments(const std::vector<DocumentRange> &documents)
{
    m_document->clear();
    for (const DocumentRange &document : documents)
        m_document->addItem(QString::fromStdString(document.title));
}

void TextView::showLive(const std::shared_ptr<const LiveProgress> &live)
{
    const TokenStream stream = tokenStreamOf(live);
    const bool grows = m_liveName == live->name && m_main.area->stream().size() <= stream.size();
    m_liveName = live->name;
    if (m_document->count() != static_cast<int>(stream.documents.size()))
        fillDocuments(stream.documents);
    if (grows) {
        m_main.area->growStream(stream);
    } else {
        m_bounds.clear();
        m_main.area->setStream(stream);
    }
    updateNote();
    repaintText();
}

void TextView::updateNote()
{
    const QLocale locale;
    const auto &live = session().live();
    const auto count = [&](std::int64_t value) { return locale.toString(static_cast<qlonglong>(value)); };
    if (live && showsLive())
        m_note->setText(live->total > 0 ? tr("● %1 is being recorded: %2 of %3 positions, perplexity %4 so far.").arg(QString::fromStdString(live->name), count(live->positions()), count(live->total), locale.toString(live->result.perplexity, 'f', 2))
                                        : tr("● %1 is being recorded: %2 positions, perplexity %3 so far.").arg(QString::fromStdString(live->name), count(live->positions()), locale.toString(live->result.perplexity, 'f', 2)));
    else if (live)
        m_note->setText(tr("● %1 is being recorded. <a href='#'>Watch it grow</a>").arg(QString::fromStdString(live->name).toHtmlEscaped()));
    else
        m_note->setText(trace() && !trace()->hasTokenizer() ? tr("This trace has no tokenizer: its tokens appear as their ids.") : QString());
    m_note->setVisible(!m_note->text().isEmpty());
}

void TextView::showEvaluation()
{
    if (showsLive())
        return;
    const auto &comparison = session().comparison();
    m_compare->setChecked(comparison != nullptr);
    m_compare->setEnabled(evaluation() != nullptr);
    m_compared.box->setVisible(comparison != nullptr);
    m_main.caption->setVisible(comparison != nullptr);
    if (!evaluation()) {
        m_painting.cancel();
        return;
    }
    m_main.caption->setText(tr("<b>Now:</b> %1").arg(settingsLabel(evaluation()->result.settings)));
    if (comparison) {
        // Once its lines are laid out.
        QTimer::singleShot(0, this, [this] { m_compared.area->verticalScrollBar()->setValue(m_main.area->verticalScrollBar()->value()); });
        m_compared.caption->setText(tr("<b>Kept:</b> %1 — blue: better now, orange: better then").arg(settingsLabel(comparison->result.settings)));
    }
    repaintText();
    updateCards();
}

void TextView::repaintText()
{
    const ShownEvaluation source = shown();
    if (!source.result)
        return;
    const Measure &measure = measureById(m_measure->currentData().toString().toStdString());
    const Landmark kind = landmarkOrder[std::max(m_landmark->currentIndex(), 0)];
    m_painting.ask([source, comparison = showsLive() ? nullptr : session().comparison(), &measure, kind](JobControl &) {
        const TraceArrays &arrays = source.arrays;
        Painting painting;
        auto values = std::make_shared<std::vector<float>>(measure.compute(arrays, *source.result));
        painting.bounds = ColourScale::boundsFor(measure.scale, *values);
        painting.values = std::move(values);
        painting.underlines = underlinesOf(*source.result);
        painting.landmarks = landmarks(kind, arrays, *source.result, landmarkCount);
        if (comparison) {
            auto difference = std::make_shared<std::vector<float>>(logProbDifference(*source.result, comparison->result));
            painting.differenceBounds = ColourScale::boundsFor(MeasureScale::Diverging, *difference);
            painting.difference = std::move(difference);
            painting.comparedUnderlines = underlinesOf(comparison->result);
        }
        return painting;
    });
}

void TextView::applyPainting(Painting painting)
{
    const Measure &measure = measureById(m_measure->currentData().toString().toStdString());
    const bool otherMeasure = m_main.measure.id != measure.id || !m_main.values;
    m_main.measure = measure;
    m_main.values = std::move(painting.values);
    applyScale(m_main, painting.bounds, otherMeasure);
    m_main.area->setUnderlines(std::move(painting.underlines));
    if (painting.difference) {
        const bool first = !m_compared.values;
        m_compared.measure = differenceMeasure();
        m_compared.values = std::move(painting.difference);
        applyScale(m_compared, painting.differenceBounds, first);
        m_compared.area->setUnderlines(std::move(painting.comparedUnderlines));
    }
    const bool otherPlaces = m_landmarks != painting.landmarks;
    m_landmarks = std::move(painting.landmarks);
    if (otherPlaces)
        m_landmarkAt = -1;
    updateJumps();
    if (std::exchange(m_jumpWhenKnown, false))
        jump(1);
}

void TextView::applyScale(Strip &strip, std::pair<double, double> bounds, bool otherMeasure)
{
    // Bounds of a measure stay while sliders move, so that colours can be compared; a reset forgets them. Those of a
    // difference follow it, until the user chooses some.
    const QString id = QString::fromStdString(strip.measure.id);
    const bool known = m_bounds.contains(id);
    if (!known && &strip == &m_main)
        m_bounds.insert(id, bounds);
    const auto [low, high] = m_bounds.value(id, bounds);
    strip.scale = ColourScale(strip.measure, palette());
    strip.scale.setBounds(low, high);
    strip.area->setValues(strip.values, strip.scale);
    if (otherMeasure || !known)
        strip.legend->setMeasure(strip.measure, strip.scale);
    updateLegend(strip);
}

void TextView::updateLegend(Strip &strip)
{
    if (!strip.values)
        return;
    const auto [first, end] = strip.area->visiblePositions();
    const auto size = static_cast<std::int64_t>(strip.values->size());
    const auto from = static_cast<std::size_t>(std::min(first, size)), count = static_cast<std::size_t>(std::min(end, size)) - from;
    strip.legend->setValues(std::span(*strip.values).subspan(from, count));
}

void TextView::updateDocument()
{
    const auto &documents = m_main.area->stream().documents;
    if (documents.empty())
        return;
    const std::int64_t first = m_main.area->visiblePositions().first;
    const auto after = std::ranges::upper_bound(documents, first, {}, &DocumentRange::first);
    m_document->setCurrentIndex(static_cast<int>(std::max<std::ptrdiff_t>(after - documents.begin() - 1, 0)));
}

void TextView::chooseDocument(int index)
{
    const auto &documents = m_main.area->stream().documents;
    if (index >= 0 && index < static_cast<int>(documents.size()))
        m_main.area->showAtTop(Position(documents[static_cast<std::size_t>(index)].first));
    m_main.area->setFocus();
}

TokenFacts TextView::factsOf(Position position) const
{
    TokenFacts facts;
    const TokenStream &stream = m_main.area->stream();
    if (!position.valid() || position.value >= stream.size())
        return facts;
    facts.token = tokenLabel(stream.pieceAt(position.value), TokenId(stream.tokens[static_cast<std::size_t>(position.value)]));
    std::string before;
    for (std::int64_t i = std::max<std::int64_t>(0, position.value - contextTokens); i < position.value; ++i)
        before += stream.pieceAt(i);
    facts.context = singleLine(before).right(40);
    if (const ShownEvaluation source = shown(); source.result && position.value < source.arrays.positions)
        facts.summary = summarise(source.arrays, *source.result, position);
    return facts;
}

void TextView::updateFacts(Position position)
{
    const QRect rect = position.valid() ? m_main.area->tokenRect(position) : QRect();
    if (rect.isEmpty())
        m_hover->hide();
    else
        m_hover->showBeside(rect, factsOf(position));
}

void TextView::updateCards()
{
    if (!m_cardRow)
        return;
    const auto &pinned = session().selection().pinned();
    for (auto card = m_cardOf.begin(); card != m_cardOf.end();) {
        if (pinned.contains(Position(card.key()))) {
            ++card;
            continue;
        }
        (*card)->hide();
        (*card)->deleteLater(); // it may have asked for it
        card = m_cardOf.erase(card);
    }
    int index = 0;
    for (const Position position : pinned) {
        PinnedCard *&card = m_cardOf[position.value];
        if (!card) {
            card = new PinnedCard(position);
            connect(card, &PinnedCard::activated, &session().selection(), &Selection::lock);
            connect(card, &PinnedCard::unpinRequested, &session().selection(), &Selection::togglePin);
            m_cardRow->insertWidget(index, card);
        }
        card->setFacts(factsOf(position));
        card->setCurrent(position == session().selection().primary());
        ++index;
    }
    m_cards->setVisible(!pinned.empty());
    if (!pinned.empty())
        m_cards->setFixedHeight(m_cards->widget()->sizeHint().height() + m_cards->horizontalScrollBar()->sizeHint().height());
}

void TextView::chooseLandmark(Landmark kind)
{
    m_landmark->setCurrentIndex(static_cast<int>(std::ranges::find(landmarkOrder, kind) - std::begin(landmarkOrder)));
    m_landmarkAt = -1;
    m_landmarks = {};
    m_jumpWhenKnown = true;
    repaintText();
}

void TextView::jump(int delta)
{
    if (m_landmarks.empty())
        return;
    const int count = static_cast<int>(m_landmarks.size());
    m_landmarkAt = m_landmarkAt < 0 ? (delta > 0 ? 0 : count - 1) : (m_landmarkAt + delta + count) % count;
    session().selection().lock(Position(m_landmarks[static_cast<std::size_t>(m_landmarkAt)]));
    updateJumps();
}

void TextView::updateJumps()
{
    const bool any = !m_landmarks.empty();
    m_previous->setEnabled(any);
    m_next->setEnabled(any);
    m_jumpCount->setText(any ? QStringLiteral("%1/%2").arg(m_landmarkAt < 0 ? QStringLiteral("–") : QString::number(m_landmarkAt + 1)).arg(m_landmarks.size()) : tr("none"));
}

void TextView::openFindBar()
{
    m_findBar->show();
    m_needle->setFocus();
    m_needle->selectAll();
}

void TextView::closeFindBar()
{
    m_findBar->hide();
    m_finding.cancel();
    m_matches.clear();
    m_main.area->setMatches({});
    m_compared.area->setMatches({});
    m_main.area->setFocus();
}

void TextView::search()
{
    if (m_main.area->stream().size() == 0)
        return;
    m_finding.ask([stream = m_main.area->stream(), finder = showsLive() ? nullptr : m_finder, needle = m_needle->text()](JobControl &job) {
        Found found{finder ? finder : std::make_shared<const TextFinder>(stream, job), {}};
        found.matches = found.finder->find(needle, matchLimit, job);
        return found;
    });
}

void TextView::showMatch(int delta)
{
    if (m_findBar->isHidden()) {
        openFindBar();
        return;
    }
    const int count = static_cast<int>(m_matches.size());
    if (count == 0) {
        m_findCount->setText(m_needle->text().isEmpty() ? QString() : tr("not found"));
        return;
    }
    if (m_matchAt < 0) { // the first one from here on
        const std::int64_t from = m_main.area->visiblePositions().first;
        const auto next = std::ranges::lower_bound(m_matches, from, {}, &TextFinder::Match::first);
        m_matchAt = next == m_matches.end() ? 0 : static_cast<int>(next - m_matches.begin());
    } else {
        m_matchAt = (m_matchAt + delta + count) % count;
    }
    const QLocale locale;
    const QString all = count == static_cast<int>(matchLimit) ? tr("%1 or more").arg(locale.toString(count)) : locale.toString(count);
    m_findCount->setText(tr("%1 of %2").arg(locale.toString(m_matchAt + 1), all));
    session().selection().lock(Position(m_matches[static_cast<std::size_t>(m_matchAt)].first));
}

void TextView::setComparing(bool comparing)
{
    if (comparing)
        session().pinForComparison();
    else
        session().clearComparison();
    if (!comparing)
        m_compared.values.reset();
}

void TextView::changeEvent(QEvent *event)
{
    ExploreView::changeEvent(event);
    if (event->type() != QEvent::PaletteChange)
        return;
    for (Strip *strip : {&m_main, &m_compared}) {
        if (!strip->values)
            continue;
        strip->scale.setPalette(palette());
        strip->area->setScale(strip->scale);
        strip->legend->setScale(strip->scale);
    }
    updateCards();
}

} // namespace retoscope
