# SPDX-License-Identifier: GPL-3.0-or-later
# The compiler of the `fuzz` preset: Clang when its libFuzzer and sanitizer runtimes are installed (Debian 12:
# libclang-rt-14-dev), else the usual one, whose targets mutate by themselves (tests/fuzz/standalone_driver.cpp).
if(NOT CMAKE_CXX_COMPILER)
    find_program(RETOSCOPE_CLANG NAMES clang++ clang++-19 clang++-18 clang++-17 clang++-16 clang++-15 clang++-14)
    if(RETOSCOPE_CLANG)
        set(probe "${CMAKE_BINARY_DIR}/CMakeFiles/fuzz_probe")
        file(WRITE "${probe}.cpp" "#include <cstddef>\nextern \"C\" int LLVMFuzzerTestOneInput(const unsigned char *, std::size_t) { return 0; }\n")
        execute_process(COMMAND "${RETOSCOPE_CLANG}" -fsanitize=fuzzer,address,undefined "${probe}.cpp" -o "${probe}"
            RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
        if(NOT failed)
            set(CMAKE_CXX_COMPILER "${RETOSCOPE_CLANG}")
        endif()
    endif()
endif()
