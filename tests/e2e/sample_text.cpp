// SPDX-License-Identifier: GPL-3.0-or-later
#include "e2e/sample_text.h"

#include <QDir>
#include <QFile>
#include <QStringList>

#include <array>
#include <cstdint>

namespace {

/// Knuth's MMIX generator: the standard's distributions differ between libraries.
class Draw
{
public:
    explicit Draw(unsigned seed) : m_state(seed * 2654435761u + 1) {}
    std::size_t below(std::size_t count)
    {
        m_state = m_state * 6364136223846793005u + 1442695040888963407u;
        return static_cast<std::size_t>(m_state >> 33) % count;
    }

private:
    std::uint64_t m_state;
};

} // namespace

QString sampleDocument(unsigned seed, int sentences)
{
    static constexpr std::array subjects = {"the server", "a client", "the planner", "an index", "the table", "every query", "the old key"};
    static constexpr std::array verbs = {"reads", "writes", "locks", "scans", "returns", "forgets", "builds"};
    static constexpr std::array objects = {"a page of the heap", "the visibility map", "one row at a time", "its own cache", "the write-ahead log", "all of the tuples"};
    static constexpr std::array endings = {"before it commits", "after the vacuum", "when the buffer is full", "without a lock", "as the manual says"};
    Draw draw(seed);
    QStringList lines;
    for (int i = 0; i < sentences; ++i)
        lines << QStringLiteral("%1 %2 %3 %4.").arg(QLatin1String(subjects[draw.below(subjects.size())]), QLatin1String(verbs[draw.below(verbs.size())]),
                                                  QLatin1String(objects[draw.below(objects.size())]), QLatin1String(endings[draw.below(endings.size())]));
    return lines.join(QLatin1Char('\n')) + QLatin1Char('\n');
}

bool writeSampleTexts(const QString &folder, int documents, int sentences)
{
    bool good = QDir().mkpath(folder);
    for (int i = 0; i < documents; ++i)
        good = good && writeFile(QStringLiteral("%1/%2.txt").arg(folder).arg(i, 4, 10, QLatin1Char('0')), sampleDocument(static_cast<unsigned>(i) + 1, sentences).toUtf8());
    return good;
}

bool writeFile(const QString &path, const QByteArray &content)
{
    QFile file(path);
    return file.open(QIODevice::WriteOnly) && file.write(content) == content.size();
}
