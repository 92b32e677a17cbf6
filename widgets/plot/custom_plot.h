// SPDX-License-Identifier: GPL-3.0-or-later
// QCustomPlot 2.1 needs Qt's keyword macros, which the rest of the program is compiled without (QT_NO_KEYWORDS): they are
// defined around its header only. Include this, never <qcustomplot.h>.
#pragma once

#include <QtCore/qforeach.h>
#include <QtCore/qobjectdefs.h>

#ifdef QT_NO_KEYWORDS
#define signals Q_SIGNALS
#define slots Q_SLOTS
#define emit Q_EMIT
#define foreach Q_FOREACH
#endif
#include <qcustomplot.h>
#ifdef QT_NO_KEYWORDS
#undef signals
#undef slots
#undef emit
#undef foreach
#endif
