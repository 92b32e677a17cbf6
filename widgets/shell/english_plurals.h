// SPDX-License-Identifier: GPL-3.0-or-later
// “1 run”, “3 runs”: the numbers of the source texts, which say “run(s)”, without a translation file.
#pragma once

#include <QTranslator>

namespace retoscope {

/// Answers for texts that count something (tr with an n): “(s)” becomes “s”, or nothing when n is 1. Install it before any
/// translation of another language, which is then asked first. GUI thread.
class EnglishPlurals : public QTranslator
{
    Q_OBJECT

public:
    using QTranslator::QTranslator;

    [[nodiscard]] bool isEmpty() const override { return false; }
    [[nodiscard]] QString translate(const char *context, const char *sourceText, const char *disambiguation, int n) const override;
};

} // namespace retoscope
