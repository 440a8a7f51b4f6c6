# The one list of ISA levels, in the order of enum Isa: name, flags, and what the processor must have (names of
# __builtin_cpu_supports), and which families it is for where not all. Each is built, sealed to its one table, and listed in tables.inc.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(TENON_ISAS neon)
  set(TENON_FLAGS_neon -march=armv8-a)
  set(TENON_NEEDS_neon)
else()
  set(TENON_ISAS baseline avx2 avx512 avx512vnni)
  set(TENON_FLAGS_baseline -march=x86-64 -msse2)
  set(TENON_NEEDS_baseline sse2)
  set(TENON_FLAGS_avx2 -march=x86-64 -mavx2 -mfma -mf16c)
  set(TENON_NEEDS_avx2 avx2 fma f16c)
  set(TENON_FLAGS_avx512 ${TENON_FLAGS_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512cd -mprefer-vector-width=512)
  set(TENON_NEEDS_avx512 ${TENON_NEEDS_avx2} avx512f avx512bw avx512dq avx512vl avx512cd)
  set(TENON_FLAGS_avx512vnni ${TENON_FLAGS_avx512} -mavx512vnni)
  set(TENON_NEEDS_avx512vnni ${TENON_NEEDS_avx512} avx512vnni)
  set(TENON_FAMILIES_avx512vnni "_int8$")  # it adds the int8 dot product alone: other families would be the code of avx512 again
endif()
# Families without vector code, which would be the same on every level: built for the lowest one alone, with what the compiler vectorises.
set(TENON_SCALAR_FAMILIES codes index order resample scan tree_ensemble window)
if(TENON_LEVELS)
  list(FILTER TENON_ISAS INCLUDE REGEX "^(${TENON_LEVELS})$")
endif()

# Sealing: `ld -r --force-group-allocation` dissolves the groups of inline functions and `objcopy` hides all but the table, so
# that no linker can take a function of one level for another's. The code is optimised even in Debug: xsimd 8.1 does not compile
# for AVX-512 at -O0. TENON_KERNEL_FLAGS of a preset keep checkers from holding arrays of vectors in memory, which compiles for minutes.
function(tenon_kernel family isa)
  set(object kernel_${family}_${isa})
  add_library(${object} OBJECT kernels/cpu/${family}.cc)
  target_compile_options(${object} PRIVATE ${TENON_FLAGS_${isa}} -O2 -fno-exceptions -fno-rtti -fno-gnu-unique -fno-math-errno
                                           -fno-trapping-math -Wno-psabi ${TENON_KERNEL_FLAGS})
  if(family IN_LIST TENON_SCALAR_FAMILIES)
    target_compile_options(${object} PRIVATE -O3)
  endif()
  target_compile_definitions(${object} PRIVATE TENON_ISA=${isa} TENON_ISA_NAME="${isa}" TENON_ISA_LEVEL=::tenon::Isa::${isa})
  target_include_directories(${object} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/runtime)
  target_link_libraries(${object} PRIVATE tenon_headers)

  string(LENGTH ${isa} isa_length)
  string(LENGTH ${family}_table table_length)
  set(table _ZN5tenon3cpu${isa_length}${isa}${table_length}${family}_tableE)
  set(sealed ${PROJECT_BINARY_DIR}/kernels/${family}_${isa}.o)
  add_custom_command(
    OUTPUT ${sealed}
    COMMAND ${CMAKE_LINKER} -r --force-group-allocation $<TARGET_OBJECTS:${object}> -o ${sealed}
    COMMAND ${CMAKE_OBJCOPY} --keep-global-symbol=${table} ${sealed}
    DEPENDS ${object} $<TARGET_OBJECTS:${object}>
    COMMENT "Sealing ${family} for ${isa}"
    VERBATIM)
  target_sources(tenon PRIVATE ${sealed})
  set_source_files_properties(${sealed} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
endfunction()

file(GLOB families CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/kernels/cpu kernels/cpu/*.cc)
list(REMOVE_ITEM families tables.cc)
list(TRANSFORM families REPLACE "\\.cc$" "")
set(tables "")
set(levels "")
foreach(isa ${TENON_ISAS})
  list(TRANSFORM TENON_NEEDS_${isa} REPLACE "(.+)" " && __builtin_cpu_supports(\"\\1\")" OUTPUT_VARIABLE needs)
  string(JOIN "" needs true ${needs})
  string(APPEND levels "TENON_LEVEL(${isa}, ${needs})\n")
  set(built ${families})
  if(TENON_FAMILIES_${isa})
    list(FILTER built INCLUDE REGEX ${TENON_FAMILIES_${isa}})
  endif()
  if(levels MATCHES "\n.")
    list(REMOVE_ITEM built ${TENON_SCALAR_FAMILIES})
  endif()
  foreach(family ${built})
    tenon_kernel(${family} ${isa})
    string(APPEND tables "TENON_TABLE(${isa}, ${family})\n")
  endforeach()
endforeach()
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/kernels/cpu/tables.inc CONTENT "${tables}" @ONLY)
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/kernels/cpu/levels.inc CONTENT "${levels}" @ONLY)
target_sources(tenon PRIVATE kernels/cpu/tables.cc)
