// SPDX-License-Identifier: GPL-3.0-or-later
// What the tests of the text room share: the folder of real data, a temporary folder, and checks of sentences.
#pragma once

#include "base/atomic_file.h"
#include "base/error.h"

#include <QString>
#include <QTemporaryDir>
#include <QtTest>

#include <cstdlib>
#include <filesystem>

namespace retoscope::test {

/// A path below $RETOSCOPE_SHARED; the variable may be absent, then the path does not exist.
inline std::filesystem::path shared(const std::string &relative)
{
    const char *folder = std::getenv("RETOSCOPE_SHARED");
    return std::filesystem::path(folder ? folder : "/nonexistent") / relative;
}

/// A folder that is removed at the end of the test.
class Folder
{
public:
    [[nodiscard]] std::filesystem::path path() const { return m_folder.path().toStdString(); }
    std::filesystem::path write(const std::string &name, std::string_view bytes) const
    {
        const auto file = path() / name;
        std::filesystem::create_directories(file.parent_path());
        writeFileAtomically(file, bytes);
        return file;
    }

private:
    QTemporaryDir m_folder;
};

} // namespace retoscope::test

#define SKIP_WITHOUT_SHARED(relative)                                                                                  \
    if (!std::filesystem::exists(retoscope::test::shared(relative)))                                                   \
    QSKIP("RETOSCOPE_SHARED does not hold " relative "; this test compares with data that is not shipped.")

/// `expression` must throw an Error of this kind whose sentence contains `part` and ends like a sentence.
#define VERIFY_FAILS(expression, expectedKind, part)                                                                   \
    do {                                                                                                               \
        bool thrown = false;                                                                                           \
        try {                                                                                                          \
            (void)(expression);                                                                                        \
        } catch (const retoscope::Error &error) {                                                                      \
            thrown = true;                                                                                             \
            const QString thrownSentence = QString::fromUtf8(error.what());                                                  \
            QVERIFY2(thrownSentence.contains(part), qPrintable(thrownSentence));                                                   \
            QVERIFY2(thrownSentence.endsWith('.') || thrownSentence.endsWith(')'), qPrintable(thrownSentence));                          \
            QVERIFY2(error.kind() == (expectedKind), qPrintable(thrownSentence));                                            \
        }                                                                                                              \
        QVERIFY2(thrown, "nothing was thrown by " #expression);                                                        \
    } while (false)
