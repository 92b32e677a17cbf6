// SPDX-License-Identifier: GPL-3.0-or-later
#include "predict/ngram_statistics.h"

#include "base/error.h"
#include "base/job.h"

#include <QtTest>

#include <map>
#include <random>
#include <set>

using namespace retoscope;

namespace {

using Tokens = std::vector<std::int32_t>;

/// Counted the slow way, with the n-grams themselves as keys.
std::vector<ContextStatistics> counted(const Tokens &text, const std::vector<std::int64_t> &starts, const Tokens &tokens, const Tokens &lengths)
{
    std::map<Tokens, std::int64_t> frequency;
    std::map<Tokens, std::set<std::int32_t>> followers;
    for (std::size_t d = 0; d + 1 < starts.size(); ++d) {
        for (auto end = starts[d] + 1; end <= starts[d + 1]; ++end) {
            for (auto begin = std::max(starts[d], end - longestNgram); begin < end; ++begin) {
                const Tokens ngram(text.begin() + begin, text.begin() + end);
                ++frequency[ngram];
                if (end < starts[d + 1])
                    followers[ngram].insert(text[std::size_t(end)]);
            }
        }
    }
    std::vector<ContextStatistics> all(tokens.size());
    for (std::ptrdiff_t t = 0; t < std::ssize(tokens); ++t) {
        for (int n = 1; n <= std::min(lengths[std::size_t(t)], longestNgram); ++n) {
            const Tokens ngram(tokens.begin() + t - n, tokens.begin() + t);
            all[std::size_t(t)].frequency[std::size_t(n - 1)] = frequency[ngram];
            all[std::size_t(t)].followers[std::size_t(n - 1)] = std::int64_t(followers[ngram].size());
        }
    }
    return all;
}

} // namespace

class TestNgramStatistics : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void countsADozenTokensByHand();
    void agreesWithTheSlowWay();
    void refusesContextsWithoutLengths();
    void stopsWhenAsked();
};

void TestNgramStatistics::countsADozenTokensByHand()
{
    //                 first document     | second
    const Tokens text{1, 2, 3, 1, 2, 4, 1,  2, 3, 1, 2, 5};
    const std::vector<std::int64_t> starts{0, 7, 12};
    // The contexts of the last three tokens of "3 1 2 9": … 3, … 3 1, … 3 1 2.
    const Tokens tokens{3, 1, 2, 9};
    const Tokens lengths{0, 1, 2, 3};
    JobControl job;
    const auto statistics = contextStatistics(text, starts, tokens, lengths, job);

    QVERIFY(statistics[0] == ContextStatistics{}); // no context
    // "3" stands twice, and "1" follows both times.
    QVERIFY(statistics[1] == (ContextStatistics{{2, 0, 0, 0}, {1, 0, 0, 0}}));
    // "1" stands four times; "2" follows three times, the fourth ends its document. "3 1" stands twice before "2".
    QVERIFY(statistics[2] == (ContextStatistics{{4, 2, 0, 0}, {1, 1, 0, 0}}));
    // "2" stands four times, before 3, 4, 3, 5: three tokens. "1 2" three times, before 3, 4, 5: not across the border,
    // where 1 ends one document and 2 begins the next. "3 1 2" twice, before 4 and 5.
    QVERIFY(statistics[3] == (ContextStatistics{{4, 3, 2, 0}, {3, 3, 2, 0}}));
}

void TestNgramStatistics::agreesWithTheSlowWay()
{
    std::mt19937 random(5);
    const auto draw = [&](std::size_t count) {
        Tokens tokens(count);
        for (auto &token : tokens)
            token = std::int32_t(random() % 4);
        return tokens;
    };
    const Tokens text = draw(700), tokens = draw(120);
    Tokens lengths;
    for (int t = 0; t < 120; ++t)
        lengths.push_back(std::min(t % 50, 9)); // longer ones than are asked for
    const std::vector<std::int64_t> starts{0, 1, 1, 300, 700}; // documents of one token and of none
    JobControl job;
    const auto statistics = contextStatistics(text, starts, tokens, lengths, job), slow = counted(text, starts, tokens, lengths);
    for (std::size_t t = 0; t < tokens.size(); ++t)
        QVERIFY2(statistics[t] == slow[t], qPrintable(QString::number(t)));
}

void TestNgramStatistics::refusesContextsWithoutLengths()
{
    JobControl job;
    QVERIFY_EXCEPTION_THROWN(contextStatistics(Tokens{1, 2}, std::vector<std::int64_t>{0, 2}, Tokens{1, 2}, Tokens{0}, job), Error);
}

void TestNgramStatistics::stopsWhenAsked()
{
    JobControl job;
    job.requestCancel();
    QVERIFY_EXCEPTION_THROWN(contextStatistics(Tokens{1, 2}, std::vector<std::int64_t>{0, 2}, Tokens{1, 2}, Tokens{0, 1}, job), Cancelled);
}

QTEST_APPLESS_MAIN(TestNgramStatistics)
#include "tst_ngram_statistics.moc"
