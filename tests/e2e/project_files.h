// SPDX-License-Identifier: GPL-3.0-or-later
// A project looked at from outside, as files and rows: what must be true whatever happened to the process that wrote them.
#pragma once

#include <QByteArray>
#include <QMap>
#include <QString>
#include <QStringList>

/// Copies a folder with all that is in it.
bool copyFolder(const QString &from, const QString &to);

/// Every file below artefacts/ (but for locks) with its checksum; of manifests and reports only what does not name a time.
QMap<QString, QByteArray> artefactFiles(const QString &project);
/// A line per file that is missing, too many or different.
QStringList differences(const QMap<QString, QByteArray> &expected, const QMap<QString, QByteArray> &actual);

/// Folders with a manifest whose files are not the ones it promises, and ready rows of the ledger without such a folder.
QStringList halfWrittenArtefacts(const QString &project);
/// PRAGMA integrity_check and foreign_key_check, curves without their points, runs of no curve.
QStringList ledgerProblems(const QString &project);
/// Rows of artefacts, jobs and runs that still say that somebody is at work.
QStringList unfinishedRows(const QString &project);

/// Moves every time in the ledger, as if it had been written by a clock that went ahead by so many milliseconds.
bool shiftTimes(const QString &project, qint64 milliseconds);
