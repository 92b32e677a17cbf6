// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QDialog>

#include "ledger/work.h"
#include "shell/latest_only.h"
#include "text/corpus_preview.h"

#include <map>
#include <set>

class QCheckBox;
class QFormLayout;
class QLabel;
class QLineEdit;
class QPlainTextEdit;
class QPushButton;
class QTimer;

namespace retoscope {

class Session;

/// The form of any piece of work, generated from its parameters: a sentence beside each field that is wrong, the forecast,
/// the exact command, and for a corpus the documents that would be found. “Start” puts it into the queue.
class WorkDialog : public QDialog
{
    Q_OBJECT

public:
    WorkDialog(Session &session, const Work &work, QWidget *parent = nullptr);
    /// Shows one that deletes itself when it is closed.
    static WorkDialog *open(Session &session, const Work &work, QWidget *parent);

    /// What the fields say now.
    [[nodiscard]] Work work() const;
    /// Fills the fields in.
    void setWork(const Work &work);
    /// Sentence beside a field; empty: nothing is wrong, or the field has not been touched.
    [[nodiscard]] QString sentenceOf(const QString &option) const;
    [[nodiscard]] bool isSettled() const;

    void accept() override;

private:
    /// One parameter with its editor.
    struct Field
    {
        const WorkParameter *parameter = nullptr;
        QWidget *editor = nullptr;
        QLabel *sentence = nullptr;
    };
    void build();
    void addField(QFormLayout &form, const WorkParameter &parameter);
    QWidget *makeEditor(const WorkParameter &parameter);
    QWidget *makePathEditor(const WorkParameter &parameter);
    void fillArtefacts();
    [[nodiscard]] Json valueOf(const Field &field) const;
    void setValue(const Field &field, const Json &value);
    void edited(const std::string &option);
    void refresh();
    void showErrors(const std::vector<FieldError> &errors);
    void askForecast();
    void askPreview();
    void showPreview(const CorpusPreview &preview);

    Session &m_session;
    const WorkDescription &m_description;
    std::vector<Field> m_fields;
    std::set<std::string> m_touched;
    bool m_filling = false;
    Json m_previewed; ///< values of the preview that is shown or asked for
    QLabel *m_forecast;
    QLineEdit *m_command;
    QPlainTextEdit *m_preview = nullptr; ///< corpora only
    QPushButton *m_start = nullptr;
    QTimer *m_refresh;
    LatestOnly<Forecast> m_forecasting;
    LatestOnly<CorpusPreview> m_previewing;
};

} // namespace retoscope
