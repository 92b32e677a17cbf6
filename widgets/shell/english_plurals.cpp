// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/english_plurals.h"

namespace retoscope {

QString EnglishPlurals::translate(const char *, const char *sourceText, const char *, int n) const
{
    const QString source = QString::fromUtf8(sourceText);
    if (n < 0 || !source.contains(QLatin1String("(s)")))
        return {}; // the source text stands
    return QString(source).replace(QLatin1String("(s)"), n == 1 ? QString() : QStringLiteral("s"));
}

} // namespace retoscope
