// SPDX-License-Identifier: GPL-3.0-or-later
#include "pipeline/work_dialog.h"

#include "plot/theme.h"
#include "shell/session.h"

#include <QApplication>
#include <QCheckBox>
#include <QClipboard>
#include <QComboBox>
#include <QDialogButtonBox>
#include <QFileDialog>
#include <QFontDatabase>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QScrollArea>
#include <QTimer>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>
#include <charconv>

namespace retoscope {

namespace {

using Type = WorkParameter::Type;

constexpr int refreshDelayMs = 150;
constexpr int gap = 8;
constexpr int linesOfPaths = 3;
constexpr std::int64_t previewedDocuments = 2000;

QString fromUtf8(const std::string &text)
{
    return QString::fromStdString(text);
}

QString textOfValue(const Json &value)
{
    if (value.is_null())
        return {};
    if (value.is_string())
        return fromUtf8(value.get<std::string>());
    if (value.is_number_float())
        return QString::number(value.get<double>(), 'g', 12);
    return fromUtf8(value.dump());
}

/// A number where it is one; the text itself otherwise, so that the check can say what is wrong with it.
Json numberOrText(const QString &text, Type type)
{
    const std::string word = text.trimmed().toStdString();
    if (type == Type::Integer) {
        std::int64_t number = 0;
        const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), number);
        return code == std::errc() && end == word.data() + word.size() ? Json(number) : Json(word);
    }
    bool isNumber = false;
    const double number = text.trimmed().toDouble(&isNumber);
    return isNumber ? Json(number) : Json(word);
}

std::vector<ArtefactRow> artefactsOf(const Session &session)
{
    return session.project() ? session.project()->artefacts : std::vector<ArtefactRow>();
}

int editorLines(const QPlainTextEdit &edit, int lines)
{
    return edit.fontMetrics().lineSpacing() * lines + 2 * edit.frameWidth() + 8;
}

} // namespace

WorkDialog::WorkDialog(Session &session, const Work &work, QWidget *parent)
    : QDialog(parent), m_session(session), m_description(describe(work.kind)), m_forecast(new QLabel), m_command(new QLineEdit), m_refresh(new QTimer(this))
{
    setObjectName(QStringLiteral("workDialog"));
    setWindowTitle(fromUtf8(m_description.title));
    m_refresh->setSingleShot(true);
    m_refresh->setInterval(refreshDelayMs);
    connect(m_refresh, &QTimer::timeout, this, &WorkDialog::refresh);
    m_forecasting.onAnswer([this](const Forecast &forecast) {
        m_forecast->setText(forecast.amount.empty() ? tr("What it needs is measured when it starts.") : fromUtf8(toString(forecast)));
    });
    m_forecasting.onFailure([this](const QString &sentence) { m_forecast->setText(sentence); });
    m_previewing.onAnswer([this](const CorpusPreview &preview) { showPreview(preview); });
    m_previewing.onFailure([this](const QString &sentence) { m_preview->setPlainText(QStringLiteral("⚠ ") + sentence); });
    build();
    setWork(work);
    connect(&m_session, &Session::projectChanged, this, &WorkDialog::fillArtefacts);
}

WorkDialog *WorkDialog::open(Session &session, const Work &work, QWidget *parent)
{
    auto *dialog = new WorkDialog(session, work, parent);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->QDialog::show();
    dialog->raise();
    return dialog;
}

void WorkDialog::build()
{
    auto *form = new QFormLayout;
    auto *advanced = new QWidget;
    auto *advancedForm = new QFormLayout(advanced);
    for (auto *layout : {form, advancedForm}) {
        layout->setFieldGrowthPolicy(QFormLayout::AllNonFixedFieldsGrow);
        layout->setVerticalSpacing(gap);
        layout->setHorizontalSpacing(2 * gap);
    }
    advancedForm->setContentsMargins(0, 0, 0, 0);
    for (const auto &parameter : m_description.parameters)
        addField(parameter.group == WorkParameter::Group::Main ? *form : *advancedForm, parameter);

    auto *fields = new QWidget;
    auto *fieldsLayout = new QVBoxLayout(fields);
    fieldsLayout->addLayout(form);
    auto *more = new QToolButton;
    more->setObjectName(QStringLiteral("moreFields"));
    more->setText(tr("More settings"));
    more->setCheckable(true);
    more->setAutoRaise(true);
    more->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    more->setArrowType(Qt::RightArrow);
    advanced->hide();
    connect(more, &QToolButton::toggled, advanced, [advanced, more](bool on) {
        more->setArrowType(on ? Qt::DownArrow : Qt::RightArrow);
        advanced->setVisible(on);
    });
    more->setVisible(advancedForm->rowCount() > 0);
    fieldsLayout->addWidget(more);
    fieldsLayout->addWidget(advanced);
    if (m_description.kind == WorkKind::AddCorpus) {
        m_preview = new QPlainTextEdit;
        m_preview->setObjectName(QStringLiteral("corpusPreview"));
        m_preview->setAccessibleName(tr("Documents found"));
        m_preview->setReadOnly(true);
        m_preview->setLineWrapMode(QPlainTextEdit::NoWrap);
        m_preview->setPlaceholderText(tr("The documents that are found appear here."));
        m_preview->setMinimumHeight(editorLines(*m_preview, 6));
        fieldsLayout->addWidget(m_preview, 1);
    }
    fieldsLayout->addStretch();
    auto *scroll = new QScrollArea;
    scroll->setWidgetResizable(true);
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setWidget(fields);

    m_forecast->setObjectName(QStringLiteral("forecast"));
    m_forecast->setWordWrap(true);
    m_command->setObjectName(QStringLiteral("command"));
    m_command->setAccessibleName(tr("The same on the command line"));
    m_command->setReadOnly(true);
    m_command->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    auto *copy = new QToolButton;
    copy->setObjectName(QStringLiteral("copyCommand"));
    copy->setText(tr("Copy command"));
    copy->setToolTip(tr("Copy the command line that does the same"));
    connect(copy, &QToolButton::clicked, this, [this] { QApplication::clipboard()->setText(m_command->text()); });
    auto *commandRow = new QHBoxLayout;
    commandRow->addWidget(m_command, 1);
    commandRow->addWidget(copy);

    auto *buttons = new QDialogButtonBox(QDialogButtonBox::Cancel);
    m_start = buttons->addButton(m_description.kind == WorkKind::AddCorpus || m_description.kind == WorkKind::AddModel ? tr("Add") : tr("Start"), QDialogButtonBox::AcceptRole);
    m_start->setObjectName(QStringLiteral("start"));
    connect(buttons, &QDialogButtonBox::accepted, this, &WorkDialog::accept);
    connect(buttons, &QDialogButtonBox::rejected, this, &WorkDialog::reject);

    auto *layout = new QVBoxLayout(this);
    layout->addWidget(scroll, 1);
    layout->addWidget(m_forecast);
    layout->addLayout(commandRow);
    layout->addWidget(buttons);
    m_start->setDefault(true); // only now it is the dialog's: it stays the default when another button had the focus
    resize(fontMetrics().averageCharWidth() * 96, std::min(720, fields->sizeHint().height() + 170));
}

void WorkDialog::addField(QFormLayout &form, const WorkParameter &parameter)
{
    Field field;
    field.parameter = &parameter;
    field.editor = makeEditor(parameter);
    field.editor->setObjectName(fromUtf8(parameter.option));
    field.editor->setToolTip(fromUtf8(parameter.help));
    field.editor->setAccessibleName(fromUtf8(parameter.label));
    field.editor->setAccessibleDescription(fromUtf8(parameter.help));
    field.sentence = new QLabel;
    field.sentence->setObjectName(QStringLiteral("sentence-") + fromUtf8(parameter.option));
    field.sentence->setWordWrap(true);
    field.sentence->hide();
    auto *cell = new QWidget;
    auto *layout = new QVBoxLayout(cell);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(2);
    layout->addWidget(field.editor);
    layout->addWidget(field.sentence);
    auto *label = new QLabel(fromUtf8(parameter.label) + (parameter.required ? QStringLiteral(" *") : QString()));
    label->setToolTip(fromUtf8(parameter.help));
    label->setBuddy(field.editor);
    form.addRow(label, cell);
    m_fields.push_back(field);
}

QWidget *WorkDialog::makeEditor(const WorkParameter &parameter)
{
    const auto touch = [this, option = parameter.option] { edited(option); };
    switch (parameter.type) {
    case Type::Flag: {
        auto *box = new QCheckBox(fromUtf8(parameter.help));
        connect(box, &QCheckBox::toggled, this, touch);
        return box;
    }
    case Type::Choice:
    case Type::Artefact:
    case Type::CorpusSplit: {
        auto *box = new QComboBox;
        if (parameter.type == Type::Choice) {
            for (const auto &choice : parameter.choices)
                box->addItem(choice.empty() ? tr("as usual") : fromUtf8(choice), fromUtf8(choice));
        }
        connect(box, &QComboBox::currentIndexChanged, this, touch);
        return box;
    }
    case Type::Text: {
        if (parameter.choices.empty())
            break;
        auto *box = new QComboBox;
        box->setEditable(true);
        box->setInsertPolicy(QComboBox::NoInsert);
        for (const auto &choice : parameter.choices)
            box->addItem(fromUtf8(choice));
        connect(box, &QComboBox::currentTextChanged, this, touch);
        return box;
    }
    case Type::Path:
    case Type::Paths: return makePathEditor(parameter);
    case Type::Integer:
    case Type::Real: break;
    }
    auto *line = new QLineEdit;
    line->setPlaceholderText(parameter.type == Type::Text ? fromUtf8(parameter.help) : textOfValue(parameter.standard));
    connect(line, &QLineEdit::textChanged, this, touch);
    return line;
}

QWidget *WorkDialog::makePathEditor(const WorkParameter &parameter)
{
    auto *whole = new QWidget;
    auto *layout = new QHBoxLayout(whole);
    layout->setContentsMargins(0, 0, 0, 0);
    auto *edit = new QPlainTextEdit; // one path a line
    edit->setTabChangesFocus(true);
    edit->setLineWrapMode(QPlainTextEdit::NoWrap);
    const bool several = parameter.type == Type::Paths;
    edit->setFixedHeight(editorLines(*edit, several ? linesOfPaths : 1));
    edit->setPlaceholderText(several ? tr("One file or folder a line; or drop them here") : tr("A file or folder"));
    connect(edit, &QPlainTextEdit::textChanged, this, [this, option = parameter.option] { edited(option); });
    const auto add = [edit, several](const QStringList &paths) {
        if (paths.isEmpty() || paths.first().isEmpty())
            return;
        const QString before = edit->toPlainText().trimmed();
        edit->setPlainText(several && !before.isEmpty() ? before + QLatin1Char('\n') + paths.join(QLatin1Char('\n')) : paths.join(QLatin1Char('\n')));
    };
    auto *file = new QToolButton;
    file->setText(several ? tr("Files…") : tr("File…"));
    connect(file, &QToolButton::clicked, this, [this, add, several] {
        add(several ? QFileDialog::getOpenFileNames(this, windowTitle()) : QStringList{QFileDialog::getOpenFileName(this, windowTitle())});
    });
    auto *folder = new QToolButton;
    folder->setText(tr("Folder…"));
    connect(folder, &QToolButton::clicked, this, [this, add] { add({QFileDialog::getExistingDirectory(this, windowTitle())}); });
    layout->addWidget(edit, 1);
    layout->addWidget(file, 0, Qt::AlignTop);
    layout->addWidget(folder, 0, Qt::AlignTop);
    whole->setFocusProxy(edit);
    return whole;
}

/// Keeps what is chosen.
void WorkDialog::fillArtefacts()
{
    const Work before = work();
    m_filling = true;
    const auto artefacts = artefactsOf(m_session);
    for (const Field &field : m_fields) {
        const WorkParameter &parameter = *field.parameter;
        auto *box = qobject_cast<QComboBox *>(field.editor);
        if (!box || (parameter.type != Type::Artefact && parameter.type != Type::CorpusSplit))
            continue;
        box->clear();
        if (!parameter.required)
            box->addItem(parameter.option == "clusters" ? tr("the datastore's own") : parameter.option == "gate-trace" ? tr("the validation trace") : tr("–"), QString());
        if (parameter.option == "clusters" || parameter.option == "gate-trace")
            box->addItem(tr("none"), QStringLiteral("none"));
        for (auto row = artefacts.rbegin(); row != artefacts.rend(); ++row) {
            if (row->state != ArtefactState::Ready || row->kind != (parameter.type == Type::CorpusSplit ? ArtefactKind::Corpus : parameter.artefact))
                continue;
            if (parameter.type == Type::Artefact) {
                box->addItem(fromUtf8(row->name), fromUtf8(row->name));
                continue;
            }
            for (const Split split : {Split::Train, Split::Validation, Split::Test}) {
                const std::string name(toString(split));
                if (!row->info.contains("splits") || row->info["splits"].value(name, 0) > 0)
                    box->addItem(fromUtf8(row->name + ":" + name), fromUtf8(row->name + ":" + name));
            }
        }
        const Json &chosen = before.value(parameter.option);
        if (parameter.type == Type::CorpusSplit && chosen == "")
            box->setCurrentIndex(std::max(0, box->findText(QLatin1Char(':') + fromUtf8(parameter.choices.front()), Qt::MatchEndsWith)));
        else
            setValue(field, chosen);
    }
    m_filling = false;
    m_refresh->start();
}

Json WorkDialog::valueOf(const Field &field) const
{
    const WorkParameter &parameter = *field.parameter;
    if (const auto *box = qobject_cast<QCheckBox *>(field.editor))
        return box->isChecked();
    if (const auto *box = qobject_cast<QComboBox *>(field.editor))
        return (parameter.type == Type::Text ? box->currentText().trimmed() : box->currentData().toString()).toStdString();
    if (const auto *line = qobject_cast<QLineEdit *>(field.editor)) {
        if (line->text().trimmed().isEmpty())
            return parameter.standard;
        return parameter.type == Type::Text ? Json(line->text().trimmed().toStdString()) : numberOrText(line->text(), parameter.type);
    }
    const QStringList lines = field.editor->findChild<QPlainTextEdit *>()->toPlainText().split(QLatin1Char('\n'), Qt::SkipEmptyParts);
    Json paths = Json::array();
    for (const QString &line : lines) {
        if (!line.trimmed().isEmpty())
            paths.push_back(line.trimmed().toStdString());
    }
    if (parameter.type == Type::Paths)
        return paths;
    return paths.empty() ? Json("") : paths.front();
}

void WorkDialog::setValue(const Field &field, const Json &value)
{
    const WorkParameter &parameter = *field.parameter;
    if (auto *check = qobject_cast<QCheckBox *>(field.editor)) {
        check->setChecked(value == true);
    } else if (auto *box = qobject_cast<QComboBox *>(field.editor)) {
        const QString text = textOfValue(value);
        if (parameter.type == Type::Text) {
            box->setCurrentText(text);
        } else if (const int index = box->findData(text); index >= 0) {
            box->setCurrentIndex(index);
        } else if (!text.isEmpty()) { // kept, so that the check says what is wrong with it
            box->addItem(text, text);
            box->setCurrentIndex(box->count() - 1);
        }
    } else if (auto *line = qobject_cast<QLineEdit *>(field.editor)) {
        line->setText(textOfValue(value));
    } else {
        QStringList lines;
        for (const auto &one : value.is_array() ? value : Json::array({value}))
            lines << textOfValue(one);
        field.editor->findChild<QPlainTextEdit *>()->setPlainText(lines.join(QLatin1Char('\n')));
    }
}

Work WorkDialog::work() const
{
    Work work{m_description.kind};
    for (const Field &field : m_fields) {
        Json value = valueOf(field);
        if (value != field.parameter->standard)
            work.values[field.parameter->option] = std::move(value);
    }
    return work;
}

void WorkDialog::setWork(const Work &work)
{
    m_filling = true;
    fillArtefacts();
    m_filling = true;
    for (const Field &field : m_fields) {
        const bool chosen = field.parameter->type == Type::Artefact || field.parameter->type == Type::CorpusSplit;
        if (work.values.contains(field.parameter->option) || !(chosen && field.parameter->required)) // a required artefact starts at the newest
            setValue(field, work.value(field.parameter->option));
    }
    m_filling = false;
    refresh();
}

QString WorkDialog::sentenceOf(const QString &option) const
{
    const auto field = std::ranges::find_if(m_fields, [&](const Field &one) { return fromUtf8(one.parameter->option) == option; });
    return field == m_fields.end() || field->sentence->isHidden() ? QString() : field->sentence->text();
}

bool WorkDialog::isSettled() const
{
    return !m_refresh->isActive() && !m_forecasting.isBusy() && !m_previewing.isBusy();
}

void WorkDialog::edited(const std::string &option)
{
    if (m_filling)
        return;
    m_touched.insert(option);
    m_refresh->start();
}

void WorkDialog::refresh()
{
    const Work now = work();
    const QString command = fromUtf8(commandOf(now, m_session.projectFolder()));
    if (m_command->text() != command) {
        m_command->setText(command);
        m_command->setCursorPosition(0);
    }
    const auto errors = check(now, artefactsOf(m_session));
    showErrors(errors);
    if (errors.empty()) {
        askForecast();
    } else {
        m_forecasting.cancel();
        m_forecast->clear();
    }
    if (m_preview)
        askPreview();
}

void WorkDialog::showErrors(const std::vector<FieldError> &errors)
{
    const QColor color = seriesColor(1, palette());
    for (const Field &field : m_fields) {
        const auto error = std::ranges::find(errors, field.parameter->option, &FieldError::option);
        const bool shown = error != errors.end() && m_touched.contains(field.parameter->option);
        field.sentence->setVisible(shown);
        if (!shown)
            continue;
        QPalette colors = field.sentence->palette();
        colors.setColor(QPalette::WindowText, color);
        field.sentence->setPalette(colors);
        field.sentence->setText(QStringLiteral("⚠ ") + fromUtf8(error->sentence));
    }
}

void WorkDialog::askForecast()
{
    m_forecasting.ask([work = work(), folder = m_session.projectFolder()](JobControl &) { return forecastOf(Project::open(folder, Ledger::Mode::ReadOnly), work); });
}

void WorkDialog::askPreview()
{
    const Work now = work();
    Json relevant = Json::array({now.value("paths"), now.value("kind"), now.value("field"), now.value("title-field")});
    if (relevant == m_previewed)
        return;
    m_previewed = std::move(relevant);
    const auto texts = now.value("paths").get<std::vector<std::string>>();
    if (texts.empty()) {
        m_previewing.cancel();
        m_preview->clear();
        return;
    }
    m_previewing.ask([paths = std::vector<std::filesystem::path>(texts.begin(), texts.end()), now](JobControl &control) {
        CorpusOptions options;
        options.kind = corpusKindFromString(now.text("kind"));
        options.field = now.text("field");
        options.titleField = now.text("title-field");
        return previewCorpus(paths, options, previewedDocuments, control);
    });
}

void WorkDialog::showPreview(const CorpusPreview &preview)
{
    QStringList lines;
    lines << (preview.whole ? tr("%n document(s) found", nullptr, static_cast<int>(preview.found))
                            : tr("more than %1 documents").arg(QLocale().toString(static_cast<qlonglong>(preview.found))));
    for (const auto &document : preview.documents)
        lines << QStringLiteral("%1 — %2 (%3)").arg(fromUtf8(document.title).simplified(), fromUtf8(document.begin).simplified(), fromUtf8(formatBytes(document.bytes)));
    m_preview->setPlainText(lines.join(QLatin1Char('\n')));
}

void WorkDialog::accept()
{
    const Work now = work();
    const auto errors = check(now, artefactsOf(m_session));
    if (!errors.empty()) {
        for (const auto &error : errors)
            m_touched.insert(error.option);
        showErrors(errors);
        const auto first = std::ranges::find_if(m_fields, [&](const Field &field) { return field.parameter->option == errors.front().option; });
        if (first->parameter->group == WorkParameter::Group::Advanced)
            findChild<QToolButton *>(QStringLiteral("moreFields"))->setChecked(true);
        first->editor->setFocus();
        return;
    }
    m_session.jobs().enqueue(now, m_session.projectFolder(), {m_session.settings()});
    QDialog::accept();
}

} // namespace retoscope
