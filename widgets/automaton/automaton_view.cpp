// SPDX-License-Identifier: GPL-3.0-or-later
#include "automaton/automaton_view.h"

#include "automaton/automaton_canvas.h"
#include "shell/session.h"
#include "shell/trace_choice.h"

#include <QAction>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLocale>
#include <QScopeGuard>
#include <QSlider>
#include <QSortFilterProxyModel>
#include <QSpinBox>
#include <QSplitter>
#include <QTableView>
#include <QTimer>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace retoscope {

namespace {

constexpr int gap = 6;                 // pixels
constexpr int playIntervalMs = 700;
constexpr int defaultSteps = 11, fewestSteps = 3, mostSteps = 40;
constexpr int contextTokens = 12;
constexpr std::size_t mostListed = 500;
constexpr int thresholdTicks = 40;
constexpr double lightestShown = 1e-5, heaviestHidden = 0.3; // shares of p_kNN at the ends of the slider
constexpr int scrollMargin = 1;        // columns that stay in sight beside the primary one

/// Logarithmic, and nothing hidden at the left end.
double thresholdOf(int tick)
{
    return tick == 0 ? 0 : lightestShown * std::pow(heaviestHidden / lightestShown, static_cast<double>(tick) / thresholdTicks);
}

QString originText(Replay::PositionCandidates::Origin origin)
{
    using Origin = Replay::PositionCandidates::Origin;
    switch (origin) {
    case Origin::Search: return AutomatonView::tr("search");
    case Origin::Pointer: return AutomatonView::tr("pointer");
    case Origin::State: return AutomatonView::tr("state");
    }
    return {};
}

} // namespace

AutomatonView::AutomatonView(Session &session, QWidget *parent)
    : View(session, QStringLiteral("automaton"), tr("Automaton"), parent), m_canvas(new AutomatonCanvas), m_entries(new EntryListModel(this)), m_timer(new QTimer(this))
{
    auto *splitter = new QSplitter(Qt::Horizontal);
    splitter->setChildrenCollapsible(false);
    splitter->addWidget(m_canvas);
    splitter->addWidget(buildEntries());
    splitter->setStretchFactor(0, 3);
    splitter->setStretchFactor(1, 2);
    m_caption = new QLabel;
    m_caption->setObjectName(QStringLiteral("automatonCaption"));
    m_caption->setTextFormat(Qt::PlainText);
    m_caption->setWordWrap(true);
    m_caption->setTextInteractionFlags(Qt::TextSelectableByMouse);
    auto *layout = new QVBoxLayout(content());
    layout->setContentsMargins(gap, gap, gap, 0);
    layout->setSpacing(gap);
    layout->addWidget(buildControls());
    layout->addWidget(m_caption);
    layout->addWidget(splitter, 1);

    Selection &selection = session.selection();
    connect(m_canvas, &AutomatonCanvas::positionClicked, this, [&selection](Position position, bool add) { add ? selection.toggle(position) : selection.lock(position); });
    connect(m_canvas, &AutomatonCanvas::positionHovered, &selection, &Selection::hover);
    connect(m_canvas, &AutomatonCanvas::stateClicked, this, &AutomatonView::listEntries);
    connect(&selection, &Selection::primaryChanged, this, &AutomatonView::refresh);
    connect(&session, &Session::traceChanged, this, &AutomatonView::refresh);
    connect(&session, &Session::settingsChanged, this, &AutomatonView::refresh);
    m_timer->setInterval(playIntervalMs);
    connect(m_timer, &QTimer::timeout, this, [this] {
        if (m_question.isBusy())
            return; // the eye waits for the picture, not the picture for the clock
        const std::int64_t last = this->session().selection().count() - 1;
        if (this->session().selection().primary().value >= last)
            setPlaying(false);
        else
            step(1);
    });
    m_question.onAnswer([this](std::shared_ptr<const AutomatonScene> scene) { showScene(std::move(scene)); });
    m_question.onFailure([this](const QString &sentence) {
        m_asked = {};
        showError(sentence, tr("Try again"), [this] { refresh(); });
    });
    m_question.onBusy([this](bool busy) { setBusy(busy); });
    m_listing.onAnswer([this](std::vector<EntryLine> lines) {
        m_entries->setLines(std::move(lines));
        m_entryTable->resizeColumnsToContents();
        for (const int column : {EntryListModel::Left, EntryListModel::Right})
            m_entryTable->setColumnWidth(column, fontMetrics().averageCharWidth() * 34);
        m_entryTable->scrollTo(m_entryTable->model()->index(0, EntryListModel::Left));
    });
    m_listing.onFailure([this](const QString &sentence) { m_entryTitle->setText(sentence); });
    refresh();
}

AutomatonView::~AutomatonView() = default;

QWidget *AutomatonView::buildControls()
{
    m_controls = new QWidget;
    auto *row = new QHBoxLayout(m_controls);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(gap / 2);
    const auto add = [&](const QString &sign, const QString &name, const QKeySequence &key, std::function<void()> trigger) {
        QAction *action = addViewAction(name, key, std::move(trigger));
        auto *button = new QToolButton;
        button->setText(sign);
        button->setAccessibleName(name);
        button->setToolTip(tr("%1 (%2)").arg(name, key.toString(QKeySequence::NativeText)));
        connect(button, &QToolButton::clicked, action, &QAction::trigger);
        row->addWidget(button);
        return button;
    };
    add(QStringLiteral("◀◀"), tr("Previous search"), QKeySequence(QStringLiteral("Shift+N")), [this] { toNextSearch(false); });
    add(QStringLiteral("◀"), tr("Step back"), QKeySequence(QStringLiteral(",")), [this] { step(-1); });
    m_play = add(QStringLiteral("▶"), tr("Play"), QKeySequence(Qt::Key_Space), [this] { setPlaying(!isPlaying()); });
    m_play->setObjectName(QStringLiteral("play"));
    m_play->setCheckable(true);
    add(QStringLiteral("▶|"), tr("Step"), QKeySequence(QStringLiteral(".")), [this] { step(1); });
    add(QStringLiteral("▶▶"), tr("Next search"), QKeySequence(QStringLiteral("N")), [this] { toNextSearch(true); });
    add(QStringLiteral("⇥"), tr("End of the run"), QKeySequence(Qt::Key_End), [this] { toEndOfRun(); });

    row->addSpacing(2 * gap);
    m_steps = new QSpinBox;
    m_steps->setObjectName(QStringLiteral("steps"));
    m_steps->setRange(fewestSteps, mostSteps);
    m_steps->setValue(defaultSteps);
    m_steps->setSuffix(tr(" steps"));
    m_steps->setAccessibleName(tr("Steps shown"));
    connect(m_steps, &QSpinBox::valueChanged, this, &AutomatonView::refresh);
    row->addWidget(m_steps);
    row->addSpacing(2 * gap);
    m_thresholdText = new QLabel;
    m_threshold = new QSlider(Qt::Horizontal);
    m_threshold->setObjectName(QStringLiteral("threshold"));
    m_threshold->setRange(0, thresholdTicks);
    m_threshold->setFixedWidth(140);
    m_threshold->setAccessibleName(tr("Hide pointers lighter than"));
    m_threshold->setToolTip(tr("Hides pointers that carry less of the next step's weight"));
    m_thresholdText->setBuddy(m_threshold);
    connect(m_threshold, &QSlider::valueChanged, this, &AutomatonView::chooseThreshold);
    row->addWidget(m_thresholdText);
    row->addWidget(m_threshold);
    row->addStretch();
    m_threshold->setValue(thresholdTicks / 2);
    return m_controls;
}

QWidget *AutomatonView::buildEntries()
{
    m_entryTitle = new QLabel;
    m_entryTitle->setObjectName(QStringLiteral("entryTitle"));
    m_entryTitle->setWordWrap(true);
    auto *close = new QToolButton;
    close->setText(QStringLiteral("✕"));
    close->setAutoRaise(true);
    close->setAccessibleName(tr("Close the list"));
    connect(close, &QToolButton::clicked, this, [this] {
        m_canvas->selectNode(-1);
        listEntries(-1);
    });
    auto *order = new QSortFilterProxyModel(this);
    order->setSourceModel(m_entries);
    order->setSortRole(EntryListModel::SortRole);
    m_entryTable = new QTableView;
    m_entryTable->setObjectName(QStringLiteral("entryTable"));
    m_entryTable->setAccessibleName(tr("Entries of the state"));
    m_entryTable->setModel(order);
    m_entryTable->setSortingEnabled(true);
    m_entryTable->sortByColumn(EntryListModel::Weight, Qt::DescendingOrder);
    m_entryTable->setSelectionBehavior(QAbstractItemView::SelectRows);
    m_entryTable->setShowGrid(false);
    m_entryTable->setWordWrap(false);
    m_entryTable->setTextElideMode(Qt::ElideLeft);
    m_entryTable->setFrameShape(QFrame::NoFrame);
    m_entryTable->setHorizontalScrollMode(QAbstractItemView::ScrollPerPixel);
    m_entryTable->verticalHeader()->hide();
    m_entryTable->verticalHeader()->setDefaultSectionSize(fontMetrics().height() + gap);
    m_entryTable->horizontalHeader()->setHighlightSections(false);
    m_entryPanel = new QWidget;
    auto *layout = new QVBoxLayout(m_entryPanel);
    layout->setContentsMargins(gap, 0, 0, 0);
    layout->setSpacing(gap / 2);
    auto *head = new QHBoxLayout;
    head->addWidget(m_entryTitle, 1);
    head->addWidget(close);
    layout->addLayout(head);
    layout->addWidget(m_entryTable, 1);
    m_entryPanel->hide();
    return m_entryPanel;
}

void AutomatonView::chooseThreshold(int tick)
{
    const double share = thresholdOf(tick);
    m_canvas->setThreshold(share);
    const QString text = share == 0 ? tr("all pointers") : tr("pointers ≥ %1 %").arg(QLocale().toString(share * 100, 'g', 2));
    m_thresholdText->setText(text);
    m_thresholdText->setMinimumWidth(std::max(m_thresholdText->minimumWidth(), m_thresholdText->sizeHint().width()));
    m_threshold->setAccessibleDescription(text);
}

void AutomatonView::showEvent(QShowEvent *event)
{
    View::showEvent(event);
    m_everShown = true;
    refresh(); // what changed while nobody looked was not computed
}

void AutomatonView::refresh()
{
    const auto trace = session().trace();
    const Position primary = session().selection().primary();
    m_canvas->setPrimary(primary);
    if (!trace) {
        m_question.cancel();
        m_asked = {};
        m_canvas->setScene(nullptr);
        listEntries(-1);
        showEmpty(tr("No trace is open. Open one to walk its automaton."));
        return;
    }
    if (session().settings().method != Method::Retomaton) {
        m_question.cancel();
        m_asked = {};
        showEmpty(tr("Only RetoMaton walks an automaton; the setting in force is another method."), tr("Switch to RetoMaton"), [this] {
            session().setSettings(withMethod(session().settings(), Method::Retomaton));
        });
        return;
    }
    if (!primary.valid()) {
        m_question.cancel();
        showEmpty(tr("No token is chosen. Click one in the text, or begin at the start."), tr("Begin at the first token"), [this] { session().selection().lock(Position(0)); });
        m_asked = {};
        return;
    }
    if (m_everShown && !isVisible())
        return; // showEvent() asks again
    // The window stays while the primary token is inside; it jumps ahead by most of its width when it comes to an edge.
    const std::int64_t count = std::min<std::int64_t>(m_steps->value(), trace->positions());
    Shown wanted{trace, session().settings(), m_asked.first, count};
    const bool sameText = m_asked.trace == trace && m_asked.first >= 0 && m_asked.count == count;
    const std::int64_t margin = count > 2 * scrollMargin + 1 ? scrollMargin : 0;
    const std::int64_t from = m_asked.first + (m_asked.first > 0 ? margin : 0);
    const std::int64_t to = m_asked.first + count - (m_asked.first + count < trace->positions() ? margin : 0);
    if (!sameText || primary.value < from || primary.value >= to) {
        const bool ahead = sameText && primary.value >= to && primary.value < to + count;
        const std::int64_t before = ahead ? margin + 1 : sameText && primary.value < from && primary.value >= from - count ? count - margin - 2 : count / 3;
        wanted.first = std::clamp<std::int64_t>(primary.value - before, 0, trace->positions() - count);
    }
    if (wanted == m_asked) {
        showContent();
        showCaption();
        return;
    }
    m_asked = wanted;
    m_question.ask([wanted](JobControl &control) {
        return std::make_shared<const AutomatonScene>(makeAutomatonScene(*wanted.trace, Position(wanted.first), wanted.count, wanted.settings, control));
    });
}

void AutomatonView::showScene(std::shared_ptr<const AutomatonScene> scene)
{
    m_canvas->setScene(std::move(scene));
    showContent();
    showCaption();
    if (m_canvas->selectedNode() < 0)
        listEntries(-1);
}

void AutomatonView::showCaption()
{
    const auto &scene = m_canvas->scene();
    const int at = scene ? scene->stepAt(session().selection().primary()) : -1;
    if (at < 0) {
        m_caption->clear();
        return;
    }
    const AutomatonStep &step = scene->window.steps[static_cast<std::size_t>(at)];
    const QLocale locale;
    const auto number = [&](std::int64_t value) { return locale.toString(static_cast<qlonglong>(value)); };
    QString text = tr("Position %1 “%2”  ·  %3.  ").arg(number(step.position.value), scene->tokens[static_cast<std::size_t>(at)], scene->reasons[static_cast<std::size_t>(at)]);
    if (step.found > 0)
        text += tr("%1 found, ").arg(number(step.found));
    text += tr("%1 pointers followed, %2 members of their states added; p_kNN(“%3”) = %4; %5 of %6 candidates go on.")
                .arg(number(step.direct), number(step.members), scene->tokens[static_cast<std::size_t>(at)], locale.toString(step.targetProbability, 'g', 3),
                     number(step.continuing), number(step.candidates()));
    m_caption->setText(text);
}

void AutomatonView::listEntries(int state)
{
    const auto scene = m_canvas->scene();
    const auto trace = session().trace();
    m_entryPanel->setVisible(state >= 0 && scene && trace);
    if (!m_entryPanel->isVisibleTo(this)) {
        m_listing.cancel();
        m_entries->setLines({});
        return;
    }
    // A rest bar stands for all states of its column that are not shown.
    const AutomatonLayout &layout = m_canvas->layoutOfStates();
    const PlacedState &placed = layout.states[static_cast<std::size_t>(state)];
    std::vector<std::int32_t> nodes;
    if (!placed.isRest()) {
        nodes.push_back(placed.node);
    } else {
        const AutomatonStep &step = scene->window.steps[static_cast<std::size_t>(placed.column)];
        for (std::int32_t node = step.firstNode; node < step.firstNode + step.nodeCount; ++node) {
            if (std::ranges::none_of(layout.statesOf(placed.column), [node](const PlacedState &shown) { return shown.node == node; }))
                nodes.push_back(node);
        }
    }
    std::int64_t total = 0;
    for (const std::int32_t node : nodes)
        total += scene->window.nodes[static_cast<std::size_t>(node)].entryCount;
    const QLocale locale;
    const QString entries = total > static_cast<std::int64_t>(mostListed) ? tr("the %1 heaviest of %2 candidates").arg(mostListed).arg(locale.toString(static_cast<qlonglong>(total)))
                                                                         : tr("%n candidate(s)", nullptr, static_cast<int>(total));
    const QString token = scene->tokens[static_cast<std::size_t>(placed.column)];
    if (placed.isRest())
        m_entryTitle->setText(tr("%1 states before “%2”: %3").arg(locale.toString(placed.states), token, entries));
    else if (scene->window.clustered)
        m_entryTitle->setText(tr("State %1 before “%2”: %3").arg(locale.toString(static_cast<qlonglong>(placed.key)), token, entries));
    else
        m_entryTitle->setText(tr("Entry %1 before “%2”").arg(locale.toString(static_cast<qlonglong>(placed.key)), token));

    m_listing.ask([scene, trace, nodes](JobControl &control) {
        std::vector<EntryLine> lines;
        for (const std::int32_t n : nodes) { // heaviest first
            const AutomatonNode &node = scene->window.nodes[static_cast<std::size_t>(n)];
            for (std::int32_t e = node.firstEntry; e < node.firstEntry + node.entryCount && lines.size() < mostListed; ++e) {
                control.checkpoint();
                const AutomatonEntry &entry = scene->window.entries[static_cast<std::size_t>(e)];
                EntryLine line = makeEntryLine(*trace, entry.entry, contextTokens);
                line.weight = static_cast<double>(entry.weight);
                line.distance = static_cast<double>(entry.distance);
                line.origin = originText(entry.origin);
                line.isTarget = entry.isTarget;
                lines.push_back(std::move(line));
            }
        }
        return lines;
    });
}

void AutomatonView::step(int delta)
{
    session().selection().movePrimary(delta);
}

bool AutomatonView::knowsSearches() const
{
    const auto &evaluation = session().evaluation();
    return evaluation && evaluation->result.settings.method == Method::Retomaton && static_cast<std::int64_t>(evaluation->result.searched.size()) == session().selection().count();
}

bool AutomatonView::searchedAt(std::int64_t position) const
{
    return session().evaluation()->result.searched[static_cast<std::size_t>(position)] != 0;
}

void AutomatonView::toNextSearch(bool forwards)
{
    if (!knowsSearches())
        return;
    const std::int64_t count = session().selection().count(), delta = forwards ? 1 : -1;
    for (std::int64_t t = session().selection().primary().value + delta; t >= 0 && t < count; t += delta) {
        if (searchedAt(t)) {
            session().selection().lock(Position(t));
            return;
        }
    }
}

void AutomatonView::toEndOfRun()
{
    if (!knowsSearches() || !session().selection().primary().valid())
        return;
    const std::int64_t count = session().selection().count();
    std::int64_t t = session().selection().primary().value;
    // At the end of a run already: the end of the next.
    do
        ++t;
    while (t + 1 < count && !searchedAt(t + 1));
    session().selection().lock(Position(std::min(t, count - 1)));
}

void AutomatonView::setPlaying(bool playing)
{
    if (playing && !session().selection().primary().valid())
        step(1);
    playing ? m_timer->start() : m_timer->stop();
    m_play->setChecked(playing);
    m_play->setText(playing ? QStringLiteral("❚❚") : QStringLiteral("▶"));
}

bool AutomatonView::isPlaying() const
{
    return m_timer->isActive();
}

bool AutomatonView::isSettled() const
{
    return View::isSettled() && !m_question.isBusy() && !m_listing.isBusy();
}

/// The figure with its caption; the controls are for the screen.
void AutomatonView::exportTo(const QString &file, const QSize &size)
{
    const bool listed = m_entryPanel->isVisibleTo(this);
    const auto restore = qScopeGuard([this, listed] {
        m_controls->show();
        m_entryPanel->setVisible(listed);
    });
    m_controls->hide();
    m_entryPanel->hide();
    View::exportTo(file, size);
}

} // namespace retoscope
