// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "shell/view.h"

#include "generate/transcript.h"

#include <QElapsedTimer>

class QComboBox;
class QDoubleSpinBox;
class QLabel;
class QPlainTextEdit;
class QPushButton;
class QSpinBox;
class QTableView;

namespace retoscope {

class ContinuationText;
class GeneratedNeighboursModel;

/// Continues a prompt with the LM alone, kNN-LM or RetoMaton under the present setting, token by token. Every token opens
/// like one of the text view: which neighbours made it, its probabilities, and why it was searched or not.
class GenerateView : public View
{
    Q_OBJECT

public:
    explicit GenerateView(Session &session, QWidget *parent = nullptr);
    ~GenerateView() override;

    [[nodiscard]] QStringList exportSuffixes() const override;
    /// md, txt and json: the transcript.
    void exportTo(const QString &file, const QSize &size) override;
    [[nodiscard]] bool isSettled() const override;
    [[nodiscard]] Generator &generator() { return m_generator; }
    [[nodiscard]] const Transcript &transcript() const { return m_transcript; }

protected:
    void resizeEvent(QResizeEvent *event) override;

private:
    QWidget *buildPrompt();
    QWidget *buildDetails();
    void follow();
    void showProject();
    void showSettings();
    void showDecoding();
    void showState();
    void showToken(int token);
    void take(const std::vector<GeneratedPiece> &pieces);
    void startOrStop();
    [[nodiscard]] GenerationRequest wantedRequest() const;

    QPlainTextEdit *m_prompt;
    QComboBox *m_model, *m_datastore, *m_method, *m_decoding;
    QSpinBox *m_maxTokens, *m_seed, *m_beams;
    QDoubleSpinBox *m_temperature, *m_topP;
    QLabel *m_setting, *m_state, *m_token;
    QPushButton *m_go;
    ContinuationText *m_continuation;
    GeneratedNeighboursModel *m_neighbours;
    QTableView *m_table;
    Transcript m_transcript;
    QElapsedTimer m_clock; ///< since the first token
    double m_seconds = 0;  ///< from the first token to the last one
    Generator m_generator;
};

} // namespace retoscope
