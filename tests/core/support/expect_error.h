// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "base/error.h"

#include <QString>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace retoscope::test {

struct Caught
{
    ErrorKind kind = ErrorKind::Usage;
    QString sentence;
};

/// What `body` throws; empty when it throws nothing.
inline std::optional<Caught> errorOf(const std::function<void()> &body)
{
    try {
        body();
    } catch (const Error &error) {
        return Caught{error.kind(), QString::fromUtf8(error.what())};
    }
    return std::nullopt;
}

} // namespace retoscope::test

/// Fails the test unless `expression` throws this kind of error with a sentence that contains each given part.
#define EXPECT_ERROR(expression, expectedKind, ...)                                                                       \
    do {                                                                                                                  \
        const auto caught = retoscope::test::errorOf([&] { static_cast<void>(expression); });                             \
        QVERIFY2(caught, "nothing was thrown by " #expression);                                                           \
        const std::vector<std::string> parts{__VA_ARGS__}; /* copies: the arguments may be parts of temporaries */        \
        for (const std::string &part : parts)                                                                             \
            QVERIFY2(caught->sentence.contains(QString::fromStdString(part)),                                             \
                     qPrintable(QString("'%1' is not in: %2").arg(QString::fromStdString(part), caught->sentence)));      \
        QCOMPARE(static_cast<int>(caught->kind), static_cast<int>(expectedKind));                                         \
    } while (false)
