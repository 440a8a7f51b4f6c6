# How each dependency is found. Debian's packages by name are in install.sh, reasons in README.md.
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(OpenSSL 3 REQUIRED)
set(TENON_LIBRARIES OpenSSL::Crypto ZLIB::ZLIB)

# Optional, see TENON_IPSEC_MB: AES-GCM of sealed models with vector AES. Only x86 has it.
if(TENON_IPSEC_MB STREQUAL "OFF")
  unset(TENON_IPSEC_MB_WORKS CACHE)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  find_library(TENON_IPSEC_MB_LIBRARY IPSec_MB)
  mark_as_advanced(TENON_IPSEC_MB_LIBRARY)
  if(TENON_IPSEC_MB_LIBRARY)
    include(CheckCXXSourceCompiles)
    set(CMAKE_REQUIRED_LIBRARIES ${TENON_IPSEC_MB_LIBRARY})
    check_cxx_source_compiles("
      #include <intel-ipsec-mb.h>
      int main() {
        IMB_MGR* m = alloc_mb_mgr(0);
        gcm_key_data key;
        init_mb_mgr_avx512(m);
        IMB_AES256_GCM_PRE(m, nullptr, &key);
        const aes_gcm_enc_dec_t open = m->gcm256_dec, seal = m->gcm256_enc;
        return (m->features & IMB_FEATURE_VPCLMULQDQ) && open != seal;
      }" TENON_IPSEC_MB_WORKS)
    unset(CMAKE_REQUIRED_LIBRARIES)
  endif()
endif()
if(TENON_IPSEC_MB_WORKS)
  list(APPEND TENON_LIBRARIES $<BUILD_INTERFACE:${TENON_IPSEC_MB_LIBRARY}> $<INSTALL_INTERFACE:IPSec_MB>)
elseif(TENON_IPSEC_MB STREQUAL "ON")
  message(FATAL_ERROR "TENON_IPSEC_MB=ON, but the library IPSec_MB was not found or is not of version 1; install libipsec-mb-dev")
endif()

# The header-only dependencies: one interface target.
add_library(tenon_headers INTERFACE)
foreach(probe xsimd/xsimd.hpp protozero/pbf_reader.hpp nlohmann/json.hpp CLI/CLI.hpp stb/stb_image.h)
  string(MAKE_C_IDENTIFIER "TENON_HEADERS_${probe}" variable)
  find_path(${variable} ${probe})
  if(NOT ${variable})
    message(FATAL_ERROR "<${probe}> is not installed; third_party/install.sh installs what is missing")
  endif()
  mark_as_advanced(${variable})
  target_include_directories(tenon_headers SYSTEM INTERFACE ${${variable}})
endforeach()

file(STRINGS ${TENON_HEADERS_xsimd_xsimd_hpp}/xsimd/config/xsimd_config.hpp version REGEX "define XSIMD_VERSION_M")
string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*" "\\1.\\2" version "${version}")
if(version VERSION_LESS 8.1)
  message(FATAL_ERROR "xsimd ${version} is installed, 8.1 or newer is needed (Debian 12, Ubuntu 24.04 and later have it)")
endif()
