// SPDX-License-Identifier: GPL-3.0-or-later
// The desktop program: argument parsing and wiring, nothing else.
#include "base/error.h"
#include "foss/foss_view.h"
#include "plot/theme.h"
#include "shell/app_settings.h"
#include "shell/main_window.h"
#include "shell/project_snapshot.h"

#include <QApplication>
#include <QCommandLineParser>

#include <cstdio>

using namespace retoscope;

namespace {

constexpr int usageError = 2;

QSize sizeFromString(const QString &text)
{
    const QStringList parts = text.split(QLatin1Char('x'));
    const QSize size = parts.size() == 2 ? QSize(parts[0].toInt(), parts[1].toInt()) : QSize();
    if (size.width() < 100 || size.height() < 100 || size.width() > 20'000 || size.height() > 20'000)
        fail(ErrorKind::Usage, "--size {}: write it as WIDTHxHEIGHT in pixels, from 100x100 to 20000x20000.", text.toStdString());
    return size;
}

void exportView(const QString &view, const QString &file, const QSize &size, const QString &folder)
{
    if (view != QLatin1String("foss"))
        fail(ErrorKind::Usage, "--export {}: there is no such view; the view that can be exported is foss.", view.toStdString());
    const auto snapshot = ProjectWatcher::read(folder.toStdString());
    FossView foss;
    if (!snapshot->fossCurves.empty())
        foss.setFigure(FossFigure::fromCurve(snapshot->fossCurves.front()));
    foss.exportFigure(file, size);
}

} // namespace

int main(int argc, char **argv)
{
    QApplication application(argc, argv);
    QApplication::setApplicationName(QStringLiteral("retoscope"));
    QApplication::setApplicationDisplayName(QStringLiteral("Retoscope"));
    QApplication::setApplicationVersion(QStringLiteral(RETOSCOPE_VERSION));
    QApplication::setDesktopFileName(QStringLiteral("retoscope"));

    QCommandLineParser parser;
    parser.setApplicationDescription(QApplication::translate("main", "A workbench for retrieval-augmented language models."));
    parser.addHelpOption();
    parser.addVersionOption();
    parser.addPositionalArgument(QStringLiteral("PROJECT"), QApplication::translate("main", "Project folder to open."), QStringLiteral("[PROJECT]"));
    const QCommandLineOption exportOption(QStringLiteral("export"), QApplication::translate("main", "Draw VIEW (foss) into a file and exit."), QStringLiteral("VIEW"));
    const QCommandLineOption toOption(QStringLiteral("to"), QApplication::translate("main", "File to draw into: .pdf, .svg or .png."), QStringLiteral("FILE"));
    const QCommandLineOption sizeOption(QStringLiteral("size"), QApplication::translate("main", "Size of the drawing, WIDTHxHEIGHT."), QStringLiteral("SIZE"), QStringLiteral("720x480"));
    const QCommandLineOption themeOption(QStringLiteral("theme"), QApplication::translate("main", "system, light or dark."), QStringLiteral("THEME"), QStringLiteral("system"));
    const QCommandLineOption descriptionOption(QStringLiteral("description"), QApplication::translate("main", "Project description that “Run all” runs."), QStringLiteral("FILE"));
    parser.addOptions({exportOption, toOption, sizeOption, themeOption, descriptionOption});
    parser.process(application);

    try {
        bool known = false;
        const Theme theme = themeFromString(parser.value(themeOption), &known);
        if (!known)
            fail(ErrorKind::Usage, "--theme {}: choose system, light or dark.", parser.value(themeOption).toStdString());
        const QStringList positional = parser.positionalArguments();
        if (positional.size() > 1)
            fail(ErrorKind::Usage, "One project folder can be opened at a time; {} were given.", positional.size());

        if (parser.isSet(exportOption)) {
            if (positional.isEmpty() || !parser.isSet(toOption))
                fail(ErrorKind::Usage, "--export needs --to FILE and a project folder.");
            applyTheme(application, theme == Theme::System ? Theme::Light : theme);
            exportView(parser.value(exportOption), parser.value(toOption), sizeFromString(parser.value(sizeOption)), positional.front());
            return 0;
        }

        AppSettings settings;
        applyTheme(application, parser.isSet(themeOption) ? theme : settings.theme());
        MainWindow window(settings);
        if (parser.isSet(descriptionOption))
            window.setDescription(parser.value(descriptionOption).toStdString());
        if (!positional.isEmpty())
            window.openProject(positional.front().toStdString());
        window.QWidget::show();
        return QApplication::exec();
    } catch (const Error &error) {
        std::fprintf(stderr, "retoscope: %s\n", error.what());
        return error.kind() == ErrorKind::Usage ? usageError : 1;
    }
}
