// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/example_project.h"

#include <QCoreApplication>
#include <QDir>
#include <QFileInfo>

namespace retoscope {

QString exampleDescription()
{
    const QString file = QCoreApplication::applicationDirPath() + QStringLiteral("/../share/retoscope/projects/postgresql-manual/project.json");
    return QFileInfo::exists(file) ? QDir::cleanPath(file) : QString();
}

} // namespace retoscope
