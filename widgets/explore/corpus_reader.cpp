// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/corpus_reader.h"

#include <QDialogButtonBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QLocale>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QTextBlock>
#include <QVBoxLayout>

#include <algorithm>

namespace retoscope {

namespace {

constexpr std::int32_t tokensAtFirst = 200; // on each side
constexpr std::int32_t mostTokens = 20'000;

} // namespace

CorpusReader::CorpusReader(QWidget *parent)
    : QDialog(parent), m_tokens(tokensAtFirst), m_title(new QLabel), m_place(new QLabel), m_text(new QPlainTextEdit), m_previous(new QPushButton(tr("◀ Previous entry"))),
      m_follow(new QPushButton(tr("Follow its pointer ▶"))), m_more(new QPushButton(tr("More text")))
{
    setObjectName(QStringLiteral("corpusReader"));
    setWindowTitle(tr("Place in the corpus"));
    resize(680, 460);
    QFont bold = font();
    bold.setBold(true);
    m_title->setFont(bold);
    m_title->setWordWrap(true);
    m_place->setForegroundRole(QPalette::PlaceholderText);
    m_place->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_text->setReadOnly(true);
    m_text->setAccessibleName(tr("Text around the entry"));
    m_text->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    m_follow->setToolTip(tr("The entry that follows in the corpus: where RetoMaton goes without a search"));
    auto *buttons = new QDialogButtonBox(QDialogButtonBox::Close);
    buttons->addButton(m_previous, QDialogButtonBox::ActionRole);
    buttons->addButton(m_follow, QDialogButtonBox::ActionRole);
    buttons->addButton(m_more, QDialogButtonBox::ActionRole);
    auto *layout = new QVBoxLayout(this);
    layout->addWidget(m_title);
    layout->addWidget(m_place);
    layout->addWidget(m_text, 1);
    layout->addWidget(buttons);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::close);
    connect(m_previous, &QPushButton::clicked, this, [this] { step(-1); });
    connect(m_follow, &QPushButton::clicked, this, [this] { step(1); });
    connect(m_more, &QPushButton::clicked, this, [this] {
        m_tokens = std::min(m_tokens * 4, mostTokens);
        read();
    });
    m_reading.onAnswer([this](const EntryContext &context) { show(context); });
    m_reading.onFailure([this](const QString &sentence) { m_text->setPlainText(sentence); });
}

void CorpusReader::open(std::shared_ptr<const TraceSession> trace, EntryId entry)
{
    m_trace = std::move(trace);
    m_entry = entry;
    m_tokens = tokensAtFirst;
    QDialog::show();
    raise();
    read();
}

void CorpusReader::step(std::int64_t delta)
{
    m_entry = EntryId(m_entry.value + delta);
    read();
}

void CorpusReader::read()
{
    m_reading.ask([trace = m_trace, entry = m_entry, tokens = m_tokens](JobControl &) { return trace->contextOf(entry, tokens); });
}

void CorpusReader::show(const EntryContext &context)
{
    const QLocale locale;
    const Datastore &datastore = m_trace->datastore();
    const bool hasPointer = datastore.hasPointer(m_entry);
    m_title->setText(context.documentTitle.empty() ? tr("document %1").arg(context.document.value + 1) : QString::fromStdString(context.documentTitle));
    QString place = tr("entry %1 · token %2 of the datastore's text").arg(locale.toString(static_cast<qlonglong>(m_entry.value)), locale.toString(static_cast<qlonglong>(context.tokenIndex)));
    if (const auto &clusters = m_trace->replay().clusters())
        place += tr(" · state %1").arg(locale.toString(clusters->stateOf()[static_cast<std::size_t>(m_entry.value)]));
    if (!hasPointer)
        place += tr(" · the document ends here: no pointer");
    m_place->setText(place);
    m_follow->setEnabled(hasPointer);
    m_previous->setEnabled(m_entry.value > 0 && datastore.hasPointer(EntryId(m_entry.value - 1)));
    m_more->setEnabled(m_tokens < mostTokens);

    const QString left = QString::fromStdString(context.left), value = QString::fromStdString(context.value);
    m_text->setPlainText(left + value + QString::fromStdString(context.right));
    QTextCursor cursor(m_text->document());
    cursor.setPosition(static_cast<int>(left.size()));
    cursor.setPosition(static_cast<int>(std::min(left.size() + value.size(), static_cast<qsizetype>(m_text->document()->characterCount() - 1))), QTextCursor::KeepAnchor);
    QTextEdit::ExtraSelection mark;
    mark.cursor = cursor;
    mark.format.setBackground(palette().color(QPalette::Highlight));
    mark.format.setForeground(palette().color(QPalette::HighlightedText));
    m_text->setExtraSelections({mark});
    cursor.clearSelection();
    m_text->setTextCursor(cursor);
    m_text->centerCursor();
}

} // namespace retoscope
