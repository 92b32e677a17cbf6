// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "automaton/automaton_scene.h"
#include "automaton/entry_list_model.h"
#include "shell/latest_only.h"
#include "shell/view.h"

class QLabel;
class QSlider;
class QSpinBox;
class QTableView;
class QTimer;
class QToolButton;

namespace retoscope {

class AutomatonCanvas;

/// The steps of RetoMaton around the primary token: which states hold the candidates, which pointers were followed, why a
/// search was made. Walks with play, step, next search and end of run; a click on a state lists its entries.
class AutomatonView : public View
{
    Q_OBJECT

public:
    explicit AutomatonView(Session &session, QWidget *parent = nullptr);
    ~AutomatonView() override;

    void exportTo(const QString &file, const QSize &size) override;
    [[nodiscard]] bool isSettled() const override;

    [[nodiscard]] AutomatonCanvas &canvas() { return *m_canvas; }
    [[nodiscard]] EntryListModel &entries() { return *m_entries; }

    // Walking; all move the primary token of the selection.
    void step(int delta);
    void toNextSearch(bool forwards);
    void toEndOfRun();
    void setPlaying(bool playing);
    [[nodiscard]] bool isPlaying() const;

protected:
    void showEvent(QShowEvent *event) override;

private:
    struct Shown ///< what the scene was made for
    {
        std::shared_ptr<const TraceSession> trace;
        EvaluationSettings settings;
        std::int64_t first = -1, count = 0;
        friend bool operator==(const Shown &, const Shown &) = default;
    };

    [[nodiscard]] QWidget *buildControls();
    [[nodiscard]] QWidget *buildEntries();
    void refresh();
    void showScene(std::shared_ptr<const AutomatonScene> scene);
    void showCaption();
    void listEntries(int state);
    void chooseThreshold(int tick);
    [[nodiscard]] bool searchedAt(std::int64_t position) const;
    [[nodiscard]] bool knowsSearches() const;

    AutomatonCanvas *m_canvas;
    EntryListModel *m_entries;
    QWidget *m_controls = nullptr, *m_entryPanel = nullptr;
    QLabel *m_caption = nullptr, *m_entryTitle = nullptr, *m_thresholdText = nullptr;
    QTableView *m_entryTable = nullptr;
    QSlider *m_threshold = nullptr;
    QSpinBox *m_steps = nullptr;
    QToolButton *m_play = nullptr;
    QTimer *m_timer;
    Shown m_asked;
    bool m_everShown = false;
    LatestOnly<std::shared_ptr<const AutomatonScene>> m_question;
    LatestOnly<std::vector<EntryLine>> m_listing;
};

} // namespace retoscope
