// SPDX-License-Identifier: GPL-3.0-or-later
// The desktop program: argument parsing and wiring, nothing else.
#include "base/error.h"
#include "base/mapping_fault.h"
#include "plot/theme.h"
#include "shell/app_settings.h"
#include "shell/appearance.h"
#include "shell/english_plurals.h"
#include "shell/main_window.h"
#include "shell/view_export.h"
#include "shell/view_layouts.h"

#include <QApplication>
#include <QCommandLineParser>
#include <QIcon>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string_view>

using namespace retoscope;

namespace {

constexpr int usageError = 2;

struct Options
{
    QCommandLineOption exportView{QStringLiteral("export"), QApplication::translate("main", "Draw VIEW into a file and exit, without a display; “window” draws all of the window."), QStringLiteral("VIEW")};
    QCommandLineOption to{QStringLiteral("to"), QApplication::translate("main", "File to draw into; its suffix says how: .pdf, .svg, .png, for tables .csv, .md, .tex."), QStringLiteral("FILE")};
    QCommandLineOption size{QStringLiteral("size"), QApplication::translate("main", "Size of the drawing, WIDTHxHEIGHT."), QStringLiteral("SIZE"), QStringLiteral("720x480")};
    QCommandLineOption position{QStringLiteral("position"), QApplication::translate("main", "Token to look at, counted from 0; without it the one that retrieval helped most."), QStringLiteral("N")};
    QCommandLineOption settings{QStringLiteral("settings"), QApplication::translate("main", "Evaluation settings to draw with, e.g. {\"lambda\": 0.3}."), QStringLiteral("JSON")};
    QCommandLineOption theme{QStringLiteral("theme"), QApplication::translate("main", "system, light or dark."), QStringLiteral("THEME"), QStringLiteral("system")};
    QCommandLineOption layout{QStringLiteral("layout"), QApplication::translate("main", "Arrangement of the views: explore, automaton, sweep, runs, or one of your own."), QStringLiteral("NAME")};
    QCommandLineOption description{QStringLiteral("description"), QApplication::translate("main", "Project description that “Run all” runs."), QStringLiteral("FILE")};
};

QIcon programIcon()
{
    QIcon icon;
    for (const int size : {16, 32, 48, 128, 256})
        icon.addFile(QStringLiteral(":/icons/retoscope-%1.png").arg(size), QSize(size, size));
    return icon;
}

bool opensNoWindow(std::string_view argument)
{
    constexpr std::array<std::string_view, 5> informing = {"-h", "--help", "--help-all", "-v", "--version"};
    return argument.starts_with("--export") || std::find(informing.begin(), informing.end(), argument) != informing.end();
}

QtMessageHandler defaultMessages = nullptr;

/// The offscreen platform remarks on each window that it has no window manager, which helps nobody who asked for a file.
void withoutPlatformNotes(QtMsgType type, const QMessageLogContext &context, const QString &message)
{
    if (!message.startsWith(QLatin1String("This plugin does not support")) && !message.startsWith(QLatin1String("QStandardPaths: XDG_RUNTIME_DIR")))
        defaultMessages(type, context, message);
}

QSize sizeFromString(const QString &text)
{
    const QStringList parts = text.split(QLatin1Char('x'));
    const QSize size = parts.size() == 2 ? QSize(parts[0].toInt(), parts[1].toInt()) : QSize();
    if (size.width() < 100 || size.height() < 100 || size.width() > 20'000 || size.height() > 20'000)
        fail(ErrorKind::Usage, "--size {}: write it as WIDTHxHEIGHT in pixels, from 100x100 to 20000x20000.", text.toStdString());
    return size;
}

std::int64_t positionFromString(const QString &text)
{
    bool isNumber = false;
    const qlonglong position = text.toLongLong(&isNumber);
    if (!isNumber || position < 0)
        fail(ErrorKind::Usage, "--position {}: write a whole number from 0.", text.toStdString());
    return position;
}

void checkLayout(const QString &layout, const QStringList &ownLayouts)
{
    if (builtInLayout(layout) || ownLayouts.contains(layout))
        return;
    QStringList known = ownLayouts;
    for (const ViewLayout &builtIn : builtInLayouts())
        known << builtIn.id;
    fail(ErrorKind::Usage, "--layout {}: there is no such layout; the layouts are {}.", layout.toStdString(), known.join(QStringLiteral(", ")).toStdString());
}

void runExport(const QCommandLineParser &parser, const Options &options)
{
    if (parser.positionalArguments().isEmpty() || !parser.isSet(options.to))
        fail(ErrorKind::Usage, "--export needs --to FILE and a project folder.");
    ExportRequest request;
    request.view = parser.value(options.exportView);
    request.file = parser.value(options.to);
    request.project = parser.positionalArguments().front();
    request.description = parser.value(options.description);
    request.settings = parser.value(options.settings);
    const bool wholeWindow = request.view == QLatin1String("window");
    request.size = wholeWindow && !parser.isSet(options.size) ? QSize(1280, 800) : sizeFromString(parser.value(options.size));
    if (parser.isSet(options.position))
        request.position = positionFromString(parser.value(options.position));
    if (parser.isSet(options.layout)) {
        request.layout = parser.value(options.layout);
        checkLayout(request.layout, {});
    }
    exportHeadless(request, viewRegistry());
}

int runWindow(QApplication &application, const QCommandLineParser &parser, const Options &options, Theme theme)
{
    AppSettings settings;
    const Appearance appearance(application, settings, parser.isSet(options.theme) ? std::optional(theme) : std::nullopt);
    if (parser.isSet(options.layout)) {
        checkLayout(parser.value(options.layout), settings.userLayouts());
        settings.setLayout(parser.value(options.layout));
    }
    MainWindow window(settings);
    if (!parser.positionalArguments().isEmpty()) {
        window.openProject(parser.positionalArguments().front().toStdString(), parser.value(options.description).toStdString());
        window.startTourOnce();
    }
    window.QWidget::show();
    return QApplication::exec();
}

} // namespace

int main(int argc, char **argv)
{
    std::signal(SIGXFSZ, SIG_IGN); // a limit on file sizes is an error of write(2), with a sentence
    explainMappingFaults();
    // What opens no window needs no display: the platform is chosen before QApplication looks for one.
    const bool windowless = std::any_of(argv + 1, argv + argc, opensNoWindow);
    if (windowless && qEnvironmentVariableIsEmpty("QT_QPA_PLATFORM"))
        qputenv("QT_QPA_PLATFORM", "offscreen");
    if (windowless)
        defaultMessages = qInstallMessageHandler(withoutPlatformNotes);
    QApplication application(argc, argv);
    QApplication::setApplicationName(QStringLiteral("retoscope"));
    QApplication::setOrganizationName(QStringLiteral("retoscope"));
    QApplication::setApplicationDisplayName(QStringLiteral("Retoscope"));
    QApplication::setApplicationVersion(QStringLiteral(RETOSCOPE_VERSION));
    QApplication::setDesktopFileName(QStringLiteral("org.retoscope.Retoscope"));
    QApplication::setWindowIcon(programIcon());
    EnglishPlurals plurals;
    QApplication::installTranslator(&plurals);

    QCommandLineParser parser;
    parser.setApplicationDescription(QApplication::translate("main", "A workbench for retrieval-augmented language models."));
    parser.addHelpOption();
    parser.addVersionOption();
    parser.addPositionalArgument(QStringLiteral("PROJECT"), QApplication::translate("main", "Project folder to open."), QStringLiteral("[PROJECT]"));
    const Options options;
    parser.addOptions({options.exportView, options.to, options.size, options.position, options.settings, options.theme, options.layout, options.description});
    parser.process(application);

    try {
        bool known = false;
        const Theme theme = themeFromString(parser.value(options.theme), &known);
        if (!known)
            fail(ErrorKind::Usage, "--theme {}: choose system, light or dark.", parser.value(options.theme).toStdString());
        if (parser.positionalArguments().size() > 1)
            fail(ErrorKind::Usage, "One project folder can be opened at a time; {} were given.", parser.positionalArguments().size());
        if (!parser.isSet(options.exportView))
            return runWindow(application, parser, options, theme);
        applyTheme(application, theme == Theme::System ? Theme::Light : theme);
        runExport(parser, options);
        return 0;
    } catch (const Error &error) {
        std::fprintf(stderr, "retoscope: %s\n", error.what());
        return error.kind() == ErrorKind::Usage ? usageError : 1;
    }
}
