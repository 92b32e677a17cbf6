// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "explore/explore_view.h"

#include <QHash>

#include "explore/text_finder.h"
#include "explore/token_card.h"
#include "explore/token_text_area.h"

class QComboBox;
class QHBoxLayout;
class QLabel;
class QLineEdit;
class QScrollArea;
class QSplitter;
class QToolButton;

namespace retoscope {

class HistogramLegend;

/// The evaluation text, coloured by one measure: read, click, jump to what is worth reading, find, compare two settings.
class TextView : public ExploreView
{
    Q_OBJECT

public:
    explicit TextView(Session &session, QWidget *parent = nullptr);
    ~TextView() override;

    [[nodiscard]] bool isSettled() const override;

    /// For the tests and for layouts that restore a view: the measure by its id.
    void setMeasure(const QString &id);

protected:
    void showTrace(const std::shared_ptr<const TraceSession> &trace) override;
    void showEvaluation() override;
    void showLive(const std::shared_ptr<const LiveProgress> &live) override;
    [[nodiscard]] bool canShowLive() const override { return true; }
    void changeEvent(QEvent *event) override;

private:
    /// What a question answers: colours, underlines and places, all of one evaluation.
    struct Painting
    {
        std::shared_ptr<const std::vector<float>> values, difference;
        std::pair<double, double> bounds, differenceBounds;
        std::vector<Underline> underlines, comparedUnderlines;
        std::vector<std::int64_t> landmarks;
    };
    struct Strip ///< a text area with its heading and legend
    {
        QWidget *box = nullptr;
        QLabel *caption = nullptr;
        HistogramLegend *legend = nullptr;
        TokenTextArea *area = nullptr;
        Measure measure;
        ColourScale scale;
        std::shared_ptr<const std::vector<float>> values;
    };

    Strip buildStrip(const QString &name);
    void buildControls(QHBoxLayout *row);
    QWidget *buildJumps();
    QWidget *buildFindBar();
    QWidget *buildCards();
    void buildActions();

    void repaintText();
    void applyPainting(Painting painting);
    void applyScale(Strip &strip, std::pair<double, double> bounds, bool otherMeasure);
    void updateLegend(Strip &strip);
    void updateDocument();
    void fillDocuments(const std::vector<DocumentRange> &documents);
    void updateNote();
    void updateCards();
    void updateFacts(Position position);
    [[nodiscard]] TokenFacts factsOf(Position position) const;

    void chooseDocument(int index);
    void chooseLandmark(Landmark kind);
    void jump(int delta);
    void updateJumps();
    void openFindBar();
    void closeFindBar();
    void search();
    void showMatch(int delta);
    void setComparing(bool comparing);

    QComboBox *m_document, *m_measure, *m_landmark;
    QToolButton *m_marks, *m_compare, *m_previous, *m_next;
    QLabel *m_jumpCount, *m_findCount, *m_note;
    QWidget *m_findBar = nullptr;
    QLineEdit *m_needle;
    QSplitter *m_strips;
    Strip m_main, m_compared;
    HoverCard *m_hover = nullptr;
    QScrollArea *m_cards;
    QHBoxLayout *m_cardRow = nullptr;
    QHash<qint64, PinnedCard *> m_cardOf;
    QHash<QString, std::pair<double, double>> m_bounds; ///< by measure; chosen by the user or found once for a trace
    std::vector<std::int64_t> m_landmarks;
    int m_landmarkAt = -1;
    std::string m_liveName; ///< of what grows on the screen
    bool m_jumpWhenKnown = false; ///< a kind of place was chosen: its first one is shown when the answer comes
    std::vector<TextFinder::Match> m_matches;
    int m_matchAt = -1;
    std::shared_ptr<const TextFinder> m_finder;
    LatestOnly<Painting> m_painting;
    struct Found
    {
        std::shared_ptr<const TextFinder> finder;
        std::vector<TextFinder::Match> matches;
    };
    LatestOnly<Found> m_finding;
};

} // namespace retoscope
