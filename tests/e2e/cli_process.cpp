// SPDX-License-Identifier: GPL-3.0-or-later
#include "e2e/cli_process.h"

#include <QJsonDocument>

namespace {

constexpr int longestCall = 120'000; // milliseconds

} // namespace

QByteArray CliResult::transcript() const
{
    return "exit code " + QByteArray::number(exitCode) + "\n" + out + err;
}

QString cliProgram()
{
    return qEnvironmentVariable("RETOSCOPE_CLI");
}

std::unique_ptr<QProcess> startCli(const QStringList &arguments)
{
    auto process = std::make_unique<QProcess>();
    auto environment = QProcessEnvironment::systemEnvironment();
    environment.remove(QStringLiteral("RETOSCOPE_PROJECT"));
    process->setProcessEnvironment(environment);
    process->start(cliProgram(), arguments);
    return process;
}

CliResult finishCli(QProcess &process)
{
    CliResult result;
    if (!process.waitForFinished(longestCall)) {
        process.kill();
        process.waitForFinished();
        result.err = "did not end in time; ";
    } else if (process.exitStatus() == QProcess::NormalExit) {
        result.exitCode = process.exitCode();
    }
    result.out = process.readAllStandardOutput();
    result.err += process.readAllStandardError();
    QJsonParseError error;
    const auto document = QJsonDocument::fromJson(result.out, &error);
    result.isJson = error.error == QJsonParseError::NoError && document.isObject();
    result.json = document.object();
    return result;
}

CliResult runCli(const QStringList &arguments, const QString &workingFolder)
{
    QProcess process;
    auto environment = QProcessEnvironment::systemEnvironment();
    environment.remove(QStringLiteral("RETOSCOPE_PROJECT"));
    process.setProcessEnvironment(environment);
    if (!workingFolder.isEmpty())
        process.setWorkingDirectory(workingFolder);
    process.start(cliProgram(), arguments);
    return finishCli(process);
}
