# SPDX-License-Identifier: GPL-3.0-or-later
# `cpack -G DEB` in the build folder: one package with both programs and the example project.
set(CPACK_GENERATOR DEB TGZ)
set(CPACK_PACKAGE_NAME retoscope)
set(CPACK_PACKAGE_VENDOR "The Retoscope developers")
set(CPACK_PACKAGE_CONTACT "The Retoscope developers <retoscope@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "workbench for retrieval-augmented language models")
set(CPACK_PACKAGE_DESCRIPTION
"Open a language model and a pile of text, and see what nearest-neighbour
retrieval does to every token: which contexts were retrieved, which automaton
edges were followed, which searches were saved, and what it cost in perplexity.
Contains the desktop program retoscope, the command line program retoscope-cli
and an example project.")
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# What no library asks for: the platform plugins of Qt, without which no window opens, and a font.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "qt6-qpa-plugins, fonts-dejavu-core")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "postgresql-doc")
include(CPack)
