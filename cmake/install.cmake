# SPDX-License-Identifier: Apache-2.0
# Install rules. All destinations follow --prefix and DESTDIR.
include(GNUInstallDirs)
# Debian's zsh reads completions of packages from share/zsh/vendor-completions.
set(NSWARDEN_ZSH_DIR ${CMAKE_INSTALL_DATADIR}/zsh/site-functions CACHE STRING "Where zsh's completion goes")
# Always lib, never lib64 or lib/<architecture>: systemd searches only there.
set(NSWARDEN_UNIT_DIR lib/systemd/system CACHE STRING "Where the systemd unit goes")

install(TARGETS nswarden RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

install(FILES packaging/systemd/sysusers.conf DESTINATION lib/sysusers.d RENAME nswarden.conf)
install(FILES packaging/systemd/modules-load.conf DESTINATION lib/modules-load.d RENAME nswarden.conf)
# The unit contains paths, and an existing configuration is never overwritten.
configure_file(cmake/install_system.cmake.in install_system.cmake @ONLY)
install(SCRIPT ${PROJECT_BINARY_DIR}/install_system.cmake)

install(FILES packaging/man/nswarden.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES packaging/man/nswarden.yaml.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES packaging/completions/nswarden.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME nswarden)
install(FILES packaging/completions/_nswarden DESTINATION ${NSWARDEN_ZSH_DIR})

install(DIRECTORY dashboards/ DESTINATION ${CMAKE_INSTALL_DATADIR}/nswarden/dashboards FILES_MATCHING PATTERN "*.json" PATTERN tests EXCLUDE)
install(FILES dashboards/alerts.yaml dashboards/recording.yaml DESTINATION ${CMAKE_INSTALL_DATADIR}/nswarden/rules)

install(FILES LICENSE README.md SECURITY.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md" PATTERN "*.svg" PATTERN "*.png")
install(DIRECTORY config/examples DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.yaml")
