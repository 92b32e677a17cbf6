// SPDX-License-Identifier: GPL-3.0-or-later
#include "map/map_view.h"

#include "automaton/automaton_scene.h"
#include "map/map_canvas.h"
#include "plot/theme.h"
#include "shell/session.h"

#include <QAction>
#include <QComboBox>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QLocale>
#include <QScopeGuard>
#include <QSpinBox>
#include <QSplitter>
#include <QTableView>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>
#include <unordered_map>

namespace retoscope {

namespace {

constexpr int gap = 6; // pixels
constexpr int fewestKeys = 100, mostKeys = 200'000;
constexpr std::size_t mostListed = 500;
constexpr int listContext = 12, hoverContext = 8; // tokens on each side

QString count(std::int64_t number)
{
    return QLocale().toString(static_cast<qlonglong>(number));
}

} // namespace

MapView::MapView(Session &session, QWidget *parent)
    : View(session, QStringLiteral("map"), tr("Datastore map"), parent), m_canvas(new MapCanvas), m_entries(new EntryListModel(this))
{
    m_legend = new QLabel;
    m_legend->setObjectName(QStringLiteral("mapLegend"));
    m_legend->setWordWrap(true);
    m_legend->setTextFormat(Qt::RichText);
    m_legend->setTextInteractionFlags(Qt::LinksAccessibleByMouse | Qt::LinksAccessibleByKeyboard);
    m_legend->setToolTip(tr("A click shows only these points"));
    connect(m_legend, &QLabel::linkActivated, this, [this](const QString &link) { isolateCategory(link.toULongLong()); });
    m_statement = new QLabel;
    m_statement->setObjectName(QStringLiteral("mapStatement"));
    m_statement->setWordWrap(true);
    m_statement->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_hovered = new QLabel(QStringLiteral(" "));
    m_hovered->setObjectName(QStringLiteral("mapHovered"));
    m_hovered->setTextFormat(Qt::PlainText);
    m_hovered->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Fixed);

    auto *figure = new QWidget;
    auto *column = new QVBoxLayout(figure);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(gap / 2);
    column->addWidget(m_canvas, 1);
    column->addWidget(m_hovered);
    column->addWidget(m_legend);
    column->addWidget(m_statement);
    auto *splitter = new QSplitter(Qt::Vertical);
    splitter->setChildrenCollapsible(false);
    splitter->addWidget(figure);
    splitter->addWidget(buildList());
    splitter->setStretchFactor(0, 3);
    splitter->setStretchFactor(1, 1);
    auto *layout = new QVBoxLayout(content());
    layout->setContentsMargins(gap, gap, gap, gap);
    layout->setSpacing(gap);
    layout->addWidget(buildControls());
    layout->addWidget(splitter, 1);

    connect(m_canvas, &MapCanvas::entryHovered, this, [this](std::int64_t entry) {
        const auto trace = this->session().trace();
        if (entry < 0 || !trace) {
            m_hoverQuestion.cancel();
            m_hovered->setText(QStringLiteral(" "));
            m_canvas->setToolTip({});
            return;
        }
        m_hoverQuestion.ask([trace, entry](JobControl &) { return makeEntryLine(*trace, EntryId(entry), hoverContext); });
    });
    m_hoverQuestion.onAnswer([this](const EntryLine &line) {
        const QString text = tr("entry %1: %2 [%3] %4").arg(count(line.entry.value), line.left, line.value, line.right);
        m_hovered->setText(text);
        m_canvas->setToolTip(text + QLatin1Char('\n') + line.document);
    });
    connect(m_canvas, &MapCanvas::entryClicked, this, [this](std::int64_t entry) {
        list({static_cast<std::int32_t>(entry)}, tr("Entry %1").arg(count(entry)));
        m_only->hide();
    });
    connect(m_canvas, &MapCanvas::lassoed, this, [this](const std::vector<std::int32_t> &points) {
        m_selected = points;
        std::vector<std::int32_t> entries;
        for (const std::int32_t point : points)
            entries.push_back(m_scene->projection->entries[static_cast<std::size_t>(point)]);
        m_only->show();
        list(std::move(entries), tr("%1 keys inside the lasso").arg(count(static_cast<std::int64_t>(points.size()))));
    });
    m_question.onAnswer([this](std::shared_ptr<const MapScene> scene) { showScene(std::move(scene)); });
    m_question.onFailure([this](const QString &sentence) {
        m_asked = {};
        showError(sentence, tr("Colour by value"), [this] {
            m_colouring->setCurrentIndex(0);
            refresh();
        });
    });
    m_question.onBusy([this](bool busy) { setBusy(busy); });
    m_neighbourQuestion.onAnswer([this](std::shared_ptr<const MapNeighbours> neighbours) {
        m_neighbours = std::move(neighbours);
        m_canvas->setNeighbours(m_neighbours);
        showStatement();
    });
    m_neighbourQuestion.onFailure([this](const QString &sentence) { m_hovered->setText(sentence); });
    m_listing.onAnswer([this](std::vector<EntryLine> lines) {
        m_entries->setLines(std::move(lines));
        m_listTable->resizeColumnToContents(EntryListModel::Value);
    });
    m_listing.onFailure([this](const QString &sentence) { m_listTitle->setText(sentence); });

    connect(&session, &Session::traceChanged, this, &MapView::refresh);
    connect(&session, &Session::settingsChanged, this, &MapView::refreshNeighbours);
    connect(&session.selection(), &Selection::primaryChanged, this, &MapView::refreshNeighbours);
    refresh();
}

MapView::~MapView() = default;

QWidget *MapView::buildControls()
{
    m_colouring = new QComboBox;
    m_colouring->setObjectName(QStringLiteral("mapColouring"));
    m_colouring->addItems({tr("by value"), tr("by state")});
    m_colouring->setAccessibleName(tr("Colour the keys"));
    connect(m_colouring, &QComboBox::currentIndexChanged, this, &MapView::refresh);
    m_sample = new QSpinBox;
    m_sample->setObjectName(QStringLiteral("mapSample"));
    m_sample->setRange(fewestKeys, mostKeys);
    m_sample->setSingleStep(5'000);
    m_sample->setValue(static_cast<int>(ProjectionConfig().sample));
    m_sample->setGroupSeparatorShown(true);
    m_sample->setSuffix(tr(" keys"));
    m_sample->setKeyboardTracking(false);
    m_sample->setAccessibleName(tr("Size of the sample"));
    connect(m_sample, &QSpinBox::valueChanged, this, &MapView::refresh);
    m_isolate = new QLineEdit;
    m_isolate->setObjectName(QStringLiteral("mapIsolate"));
    m_isolate->setPlaceholderText(tr("isolate a value…"));
    m_isolate->setToolTip(tr("The text of a token (spaces at its ends do not count), or the number of a state"));
    m_isolate->setAccessibleName(tr("Isolate a value"));
    m_isolate->setClearButtonEnabled(true);
    connect(m_isolate, &QLineEdit::returnPressed, this, &MapView::isolateText);
    connect(m_isolate, &QLineEdit::textChanged, this, [this](const QString &text) {
        if (text.isEmpty())
            showAll();
    });

    m_controls = new QWidget;
    auto *row = new QHBoxLayout(m_controls);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(gap / 2);
    row->addWidget(m_colouring);
    row->addWidget(m_sample);
    row->addWidget(m_isolate, 1);
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
    m_lasso = add(tr("Lasso"), tr("Draw a lasso"), QKeySequence(QStringLiteral("L")), [this] {
        const bool on = !property("lasso").toBool();
        setProperty("lasso", on);
        m_lasso->setChecked(on);
        m_canvas->setLassoMode(on);
    });
    m_lasso->setCheckable(true);
    m_all = add(tr("Show all"), tr("Show all keys"), QKeySequence(QStringLiteral("R")), [this] { showAll(); });
    add(tr("Fit"), tr("Fit the map"), QKeySequence(QStringLiteral("F")), [this] { m_canvas->fit(); });
    return m_controls;
}

QWidget *MapView::buildList()
{
    m_listTitle = new QLabel;
    m_listTitle->setObjectName(QStringLiteral("mapListTitle"));
    m_only = new QToolButton;
    m_only->setText(tr("Isolate"));
    m_only->setToolTip(tr("Show only the keys inside the lasso"));
    connect(m_only, &QToolButton::clicked, this, [this] { isolate(m_selected, tr("inside the lasso")); });
    auto *close = new QToolButton;
    close->setText(QStringLiteral("✕"));
    close->setAutoRaise(true);
    close->setAccessibleName(tr("Close the list"));
    m_listTable = new QTableView;
    m_listTable->setObjectName(QStringLiteral("mapList"));
    m_listTable->setAccessibleName(tr("Keys inside the lasso"));
    m_listTable->setModel(m_entries);
    for (const int column : {EntryListModel::Weight, EntryListModel::Distance, EntryListModel::Origin})
        m_listTable->hideColumn(column);
    m_listTable->setShowGrid(false);
    m_listTable->setWordWrap(false);
    m_listTable->setTextElideMode(Qt::ElideLeft);
    m_listTable->setFrameShape(QFrame::NoFrame);
    m_listTable->setSelectionBehavior(QAbstractItemView::SelectRows);
    m_listTable->setHorizontalScrollMode(QAbstractItemView::ScrollPerPixel);
    m_listTable->setColumnWidth(EntryListModel::Left, fontMetrics().averageCharWidth() * 30);
    m_listTable->setColumnWidth(EntryListModel::Right, fontMetrics().averageCharWidth() * 30);
    m_listTable->verticalHeader()->hide();
    m_listTable->verticalHeader()->setDefaultSectionSize(fontMetrics().height() + gap);
    m_listTable->horizontalHeader()->setHighlightSections(false);
    m_listPanel = new QWidget;
    auto *layout = new QVBoxLayout(m_listPanel);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(gap / 2);
    auto *head = new QHBoxLayout;
    head->addWidget(m_listTitle, 1);
    head->addWidget(m_only);
    head->addWidget(close);
    layout->addLayout(head);
    layout->addWidget(m_listTable, 1);
    m_listPanel->hide();
    connect(close, &QToolButton::clicked, m_listPanel, &QWidget::hide);
    return m_listPanel;
}

void MapView::showEvent(QShowEvent *event)
{
    View::showEvent(event);
    m_everShown = true;
    refresh(); // what changed while nobody looked was not computed
}

void MapView::changeEvent(QEvent *event)
{
    View::changeEvent(event);
    if (event->type() == QEvent::PaletteChange && m_scene)
        showLegend();
}

void MapView::refresh()
{
    const auto trace = session().trace();
    if (!trace) {
        m_question.cancel();
        m_asked = {};
        m_scene.reset();
        m_canvas->setScene(nullptr);
        m_listPanel->hide();
        showEmpty(tr("No trace is open. Open one to see the keys of its datastore."));
        return;
    }
    if (m_everShown && !isVisible())
        return; // showEvent() asks again
    const Shown wanted{trace, {m_sample->value(), ProjectionConfig().seed}, m_colouring->currentIndex() == 1 ? MapColouring::State : MapColouring::Value};
    if (wanted == m_asked) {
        refreshNeighbours();
        return;
    }
    // Another colouring of the same keys needs no new projection.
    const bool sameKeys = m_scene && m_asked.trace == wanted.trace && m_asked.config == wanted.config;
    const auto known = sameKeys ? m_scene->projection : nullptr;
    m_asked = wanted;
    m_question.ask([wanted, known](JobControl &control) {
        const auto projection = known ? known : std::make_shared<const KeyProjection>(projectKeys(wanted.trace->datastore(), wanted.config, control));
        return std::make_shared<const MapScene>(makeMapScene(*wanted.trace, projection, wanted.colouring));
    });
}

void MapView::refreshNeighbours()
{
    const auto trace = session().trace();
    const Position primary = session().selection().primary();
    if (!m_scene || !trace || m_asked.trace != trace || !primary.valid()) {
        m_neighbourQuestion.cancel();
        m_neighbours.reset();
        m_canvas->setNeighbours(nullptr);
        showStatement();
        return;
    }
    if (m_everShown && !isVisible())
        return;
    m_neighbourQuestion.ask([trace, projection = m_scene->projection, primary, settings = session().settings()](JobControl &) {
        return std::make_shared<const MapNeighbours>(makeMapNeighbours(*trace, *projection, primary, settings));
    });
}

void MapView::showScene(std::shared_ptr<const MapScene> scene)
{
    if (!m_scene || m_scene->projection != scene->projection) {
        m_listPanel->hide();
        m_isolated.clear();
    }
    m_scene = std::move(scene);
    m_canvas->setScene(m_scene);
    showContent();
    showLegend();
    refreshNeighbours();
}

void MapView::showLegend()
{
    QStringList items;
    for (std::size_t category = 0; category < m_scene->categories.size(); ++category) {
        const MapCategory &entry = m_scene->categories[category];
        const QColor color = entry.id < 0 ? palette().color(QPalette::Disabled, QPalette::Text) : seriesColor(static_cast<int>(category), palette());
        items << QStringLiteral("<span style='color:%1'>■</span>&nbsp;<a href='%2' style='color:%3; text-decoration:none'>%4&nbsp;%5</a>")
                     .arg(color.name(), QString::number(category), palette().color(QPalette::Text).name(), entry.name.toHtmlEscaped().replace(QLatin1Char(' '), QStringLiteral("&nbsp;")), count(entry.count));
    }
    m_legend->setText(items.join(QStringLiteral("&nbsp;&nbsp; ")));
    showStatement();
}

void MapView::showStatement()
{
    if (!m_scene)
        return;
    const KeyProjection &projection = *m_scene->projection;
    const QLocale locale;
    const auto percent = [&](double share) { return locale.toString(share * 100, 'f', 1); };
    QString text = tr("Projected distance is not distance: the two axes hold %1 % of the variance (%2 % + %3 %). %4 of %5 keys, exact PCA of the sample, seed %6.")
                       .arg(percent(projection.explained[0] + projection.explained[1]), percent(projection.explained[0]), percent(projection.explained[1]),
                            count(m_canvas->shownCount()), count(session().trace() ? session().trace()->datastore().size() : 0))
                       .arg(m_asked.config.seed);
    if (!m_isolated.isEmpty())
        text += tr(" Only %1.").arg(m_isolated);
    if (m_neighbours)
        text += tr(" ✚ query before “%1”; %2 candidates ringed by weight, □ those with the true token.").arg(m_neighbours->token, count(static_cast<std::int64_t>(m_neighbours->neighbours.size())));
    m_statement->setText(text);
}

void MapView::isolateCategory(std::size_t category)
{
    if (!m_scene || category >= m_scene->categories.size())
        return;
    std::vector<std::int32_t> points;
    for (std::size_t i = 0; i < m_scene->size(); ++i) {
        if (m_scene->categoryOf[i] == category)
            points.push_back(static_cast<std::int32_t>(i));
    }
    isolate(std::move(points), m_scene->categories[category].name);
}

/// The tokens that read like the text, or the state of that number.
void MapView::isolateText()
{
    const QString wanted = m_isolate->text().trimmed();
    const auto trace = session().trace();
    if (!m_scene || !trace || wanted.isEmpty()) {
        showAll();
        return;
    }
    bool isNumber = false;
    const int state = wanted.toInt(&isNumber);
    std::unordered_map<std::int32_t, bool> fits; // each token is decoded once
    std::vector<std::int32_t> points;
    for (std::size_t i = 0; i < m_scene->size(); ++i) {
        const std::int32_t id = m_scene->ids[i];
        const auto [known, first] = fits.try_emplace(id, false);
        if (first && m_scene->colouring == MapColouring::State)
            known->second = isNumber && id == state;
        else if (first)
            known->second = QString::fromStdString(trace->tokenText(TokenId(id))).trimmed() == wanted;
        if (known->second)
            points.push_back(static_cast<std::int32_t>(i));
    }
    isolate(std::move(points), tr("“%1”").arg(wanted));
}

void MapView::isolate(std::vector<std::int32_t> points, const QString &what)
{
    m_isolated = tr("%1: %2 keys").arg(what, count(static_cast<std::int64_t>(points.size())));
    m_canvas->isolate(std::move(points));
    showStatement();
}

void MapView::showAll()
{
    m_isolated.clear();
    m_canvas->isolate({});
    showStatement();
}

void MapView::list(std::vector<std::int32_t> entries, const QString &title)
{
    const auto trace = session().trace();
    if (!trace)
        return;
    m_listTitle->setText(entries.size() > mostListed ? tr("%1, the first %2").arg(title).arg(mostListed) : title);
    m_listPanel->show();
    if (entries.size() > mostListed)
        entries.resize(mostListed);
    m_listing.ask([trace, entries = std::move(entries)](JobControl &control) {
        std::vector<EntryLine> lines;
        for (const std::int32_t entry : entries) {
            control.checkpoint();
            lines.push_back(makeEntryLine(*trace, EntryId(entry), listContext));
        }
        return lines;
    });
}

bool MapView::isSettled() const
{
    return View::isSettled() && !m_question.isBusy() && !m_neighbourQuestion.isBusy() && !m_listing.isBusy();
}

/// The figure with its legend and its statement; the controls are for the screen.
void MapView::exportTo(const QString &file, const QSize &size)
{
    const bool listed = m_listPanel->isVisibleTo(this);
    const auto restore = qScopeGuard([this, listed] {
        m_controls->show();
        m_hovered->show();
        m_listPanel->setVisible(listed);
    });
    for (QWidget *widget : {m_controls, static_cast<QWidget *>(m_hovered), m_listPanel})
        widget->hide();
    View::exportTo(file, size);
}

} // namespace retoscope
