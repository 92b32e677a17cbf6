// SPDX-License-Identifier: GPL-3.0-or-later
// Runs retoscope-cli and takes what it says apart.
#pragma once

#include <QByteArray>
#include <QJsonObject>
#include <QProcess>
#include <QString>
#include <QStringList>

#include <memory>

struct CliResult
{
    int exitCode = -1;
    QByteArray out;
    QByteArray err;
    QJsonObject json; ///< of `out`, when it is exactly one object
    bool isJson = false;

    /// Everything that was said, for the message of a failed check.
    [[nodiscard]] QByteArray transcript() const;
};

/// Path of the program; empty when the environment does not name one.
QString cliProgram();

CliResult runCli(const QStringList &arguments, const QString &workingFolder = {});
std::unique_ptr<QProcess> startCli(const QStringList &arguments);
CliResult finishCli(QProcess &process);
