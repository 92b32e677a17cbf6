// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QDialog>

#include "ledger/trace_session.h"
#include "shell/latest_only.h"

class QLabel;
class QPlainTextEdit;
class QPushButton;

namespace retoscope {

/// The place of a datastore entry in its corpus, with as much text around it as is asked for. Walks along the pointers:
/// the next entry is what the automaton would follow.
class CorpusReader : public QDialog
{
    Q_OBJECT

public:
    explicit CorpusReader(QWidget *parent = nullptr);

    void open(std::shared_ptr<const TraceSession> trace, EntryId entry);
    [[nodiscard]] EntryId entry() const { return m_entry; }
    [[nodiscard]] bool isSettled() const { return !m_reading.isBusy(); }

private:
    using QDialog::open;
    void read();
    void show(const EntryContext &context);
    void step(std::int64_t delta);

    std::shared_ptr<const TraceSession> m_trace;
    EntryId m_entry;
    std::int32_t m_tokens;
    QLabel *m_title, *m_place;
    QPlainTextEdit *m_text;
    QPushButton *m_previous, *m_follow, *m_more;
    LatestOnly<EntryContext> m_reading;
};

} // namespace retoscope
