# SPDX-License-Identifier: GPL-3.0-or-later
# How a room, a test and a benchmark are declared, so that every CMakeLists.txt below stays one screen long.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # Precompiled headers need the two sloppiness settings of ccache's manual.
    set(CMAKE_CXX_COMPILER_LAUNCHER
        "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime "${CCACHE_PROGRAM}")
endif()

add_library(retoscope_options INTERFACE)
target_compile_options(retoscope_options INTERFACE
    -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wundef -Wvla)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(retoscope_options INTERFACE -fpch-preprocess)
endif()
if(RETOSCOPE_DEVELOPER)
    target_compile_options(retoscope_options INTERFACE -Werror)
endif()
if(RETOSCOPE_SANITIZE)
    target_compile_options(retoscope_options INTERFACE -fsanitize=${RETOSCOPE_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(retoscope_options INTERFACE -fsanitize=${RETOSCOPE_SANITIZE})
    set(suppressions "${PROJECT_SOURCE_DIR}/resources/sanitizers")
    set(RETOSCOPE_TEST_ENVIRONMENT
        "TSAN_OPTIONS=suppressions=${suppressions}/tsan.supp:ignore_noninstrumented_modules=1:second_deadlock_stack=1"
        "LSAN_OPTIONS=suppressions=${suppressions}/lsan.supp:print_suppressions=0"
        "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:allocator_may_return_null=1"
        "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1")
endif()

# retoscope_add_room(text SOURCES a.cpp … USES base … LIBRARIES PkgConfig::X …)
# A room is a static library retoscope_<room>; USES names the rooms above it, LIBRARIES are private to it.
function(retoscope_add_room room)
    cmake_parse_arguments(ARG "" "" "SOURCES;USES;LIBRARIES;PUBLIC_LIBRARIES" ${ARGN})
    add_library(retoscope_${room} STATIC ${ARG_SOURCES})
    target_include_directories(retoscope_${room} PUBLIC "${PROJECT_SOURCE_DIR}/core")
    list(TRANSFORM ARG_USES PREPEND retoscope_)
    target_link_libraries(retoscope_${room}
        PUBLIC ${ARG_USES} ${ARG_PUBLIC_LIBRARIES}
        PRIVATE retoscope_options ${ARG_LIBRARIES})
endfunction()

# retoscope_add_test(tst_tokenizer SOURCES tst_tokenizer.cpp USES text LIBRARIES … LABEL unit|gui|slow)
# A Qt Test executable, registered with CTest under its own name; RETOSCOPE_SHARED names the folder of real weights and
# texts beside the checkout, and a test that needs it skips with a sentence when it is absent.
function(retoscope_add_test name)
    cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;USES;LIBRARIES" ${ARGN})
    if(NOT ARG_SOURCES)
        set(ARG_SOURCES ${name}.cpp)
    endif()
    if(NOT ARG_LABEL)
        set(ARG_LABEL unit)
    endif()
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 600)
    endif()
    add_executable(${name} ${ARG_SOURCES})
    set_target_properties(${name} PROPERTIES AUTOMOC ON)
    list(TRANSFORM ARG_USES PREPEND retoscope_)
    target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
    target_compile_definitions(${name} PRIVATE
        QT_NO_KEYWORDS RETOSCOPE_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data")
    if(RETOSCOPE_SANITIZE)
        target_compile_definitions(${name} PRIVATE RETOSCOPE_SANITIZED)
    endif()
    target_link_libraries(${name} PRIVATE retoscope_options ${ARG_USES} ${ARG_LIBRARIES} Qt6::Test)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES
        LABELS ${ARG_LABEL}
        TIMEOUT ${ARG_TIMEOUT}
        ENVIRONMENT "QT_QPA_PLATFORM=offscreen;RETOSCOPE_SHARED=${PROJECT_SOURCE_DIR}/../shared;RETOSCOPE_CLI=$<$<TARGET_EXISTS:retoscope-cli>:$<TARGET_FILE:retoscope-cli>>;${RETOSCOPE_TEST_ENVIRONMENT}")
endfunction()

# retoscope_add_bench(bench_replay USES trace …): a Google Benchmark executable.
function(retoscope_add_bench name)
    cmake_parse_arguments(ARG "" "" "SOURCES;USES;LIBRARIES" ${ARGN})
    if(NOT ARG_SOURCES)
        set(ARG_SOURCES ${name}.cpp)
    endif()
    add_executable(${name} ${ARG_SOURCES})
    list(TRANSFORM ARG_USES PREPEND retoscope_)
    target_link_libraries(${name} PRIVATE retoscope_options ${ARG_USES} ${ARG_LIBRARIES} benchmark::benchmark)
endfunction()
