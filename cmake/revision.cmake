# SPDX-License-Identifier: Apache-2.0
# Sets REVISION, the commit of this build, for `nswarden --version`. Sources: $NSWARDEN_REVISION, an archive by `git archive`
# (.gitattributes), or git.
set(ARCHIVED "$Format:%H$")
set(REVISION unknown)
if(NSWARDEN_REVISION)
  set(REVISION "${NSWARDEN_REVISION}")
elseif(ARCHIVED MATCHES "^[0-9a-f]+$")
  string(SUBSTRING "${ARCHIVED}" 0 12 REVISION)
elseif(EXISTS "${PROJECT_SOURCE_DIR}/.git")
  find_package(Git QUIET)
  if(GIT_FOUND)
    execute_process(COMMAND ${GIT_EXECUTABLE} -C ${PROJECT_SOURCE_DIR} rev-parse --short=12 HEAD
                    OUTPUT_VARIABLE GIT_REVISION OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE GIT_RESULT)
    if(GIT_RESULT EQUAL 0)
      set(REVISION ${GIT_REVISION})
    endif()
  endif()
endif()
