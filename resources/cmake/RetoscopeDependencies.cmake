# SPDX-License-Identifier: GPL-3.0-or-later
# Every package that the build looks for, in one place. Debian's names are in run.sh.
include(FeatureSummary)
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(fmt REQUIRED)
find_package(ZLIB REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(CLI11 REQUIRED)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(GUMBO REQUIRED IMPORTED_TARGET gumbo)
pkg_check_modules(ICU REQUIRED IMPORTED_TARGET icu-uc)

# SentencePiece: Debian ships the library and pkg-config data; the trainer is a second library.
pkg_check_modules(SENTENCEPIECE REQUIRED IMPORTED_TARGET sentencepiece)
find_library(SENTENCEPIECE_TRAIN_LIBRARY sentencepiece_train REQUIRED)

# LibTorch. Its CMake package adds flags globally through TORCH_CXX_FLAGS; we take only the libraries and includes.
find_package(Torch REQUIRED)
add_library(retoscope_torch INTERFACE)
target_include_directories(retoscope_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
target_link_libraries(retoscope_torch INTERFACE ${TORCH_LIBRARIES})
target_compile_definitions(retoscope_torch INTERFACE QT_NO_KEYWORDS)

# FAISS: Debian's is a static library built without a CMake package in some releases; it needs BLAS and OpenMP from us.
find_path(FAISS_INCLUDE_DIR faiss/Index.h REQUIRED)
find_library(FAISS_LIBRARY faiss REQUIRED)
find_library(OPENBLAS_LIBRARY NAMES openblas REQUIRED)
add_library(retoscope_faiss INTERFACE)
target_include_directories(retoscope_faiss SYSTEM INTERFACE ${FAISS_INCLUDE_DIR})
target_link_libraries(retoscope_faiss INTERFACE ${FAISS_LIBRARY} ${OPENBLAS_LIBRARY} OpenMP::OpenMP_CXX)

if(RETOSCOPE_BUILD_DESKTOP)
    find_package(Qt6 6.4 REQUIRED COMPONENTS Core Gui Widgets Concurrent PrintSupport Svg)
    find_package(QCustomPlotQt6 REQUIRED)
endif()
if(RETOSCOPE_BUILD_TESTS)
    find_package(Qt6 6.4 REQUIRED COMPONENTS Core Test)
endif()
if(RETOSCOPE_BUILD_BENCH)
    find_package(benchmark REQUIRED)
endif()
feature_summary(WHAT ALL QUIET_ON_EMPTY)
